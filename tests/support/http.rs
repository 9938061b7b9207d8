//! The part of HTTP/1.1 that the wire between the function and its servers needs.

use std::{
    io::{self, BufRead, Read, Write},
    str,
};

pub struct Request {
    /// The request line and the headers as received, without the empty line.
    pub head: String,
    pub body: Vec<u8>,
}

impl Request {
    /// The next request of a connection. `None` at its end.
    pub fn read(stream: &mut impl BufRead) -> io::Result<Option<Request>> {
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            if stream.read_line(&mut head)? == 0 {
                return Ok(None);
            }
        }
        head.truncate(head.len() - 4);
        let mut request = Request { head, body: Vec::new() };
        if request.header("transfer-encoding") == Some("chunked") {
            loop {
                let mut size = String::new();
                stream.read_line(&mut size)?;
                let size = usize::from_str_radix(size.trim(), 16).map_err(io::Error::other)?;
                let mut chunk = vec![0; size + 2];
                stream.read_exact(&mut chunk)?;
                request.body.extend_from_slice(&chunk[..size]);
                if size == 0 {
                    break;
                }
            }
        } else if let Some(length) = request.header("content-length") {
            request.body = vec![0; length.parse().map_err(io::Error::other)?];
            stream.read_exact(&mut request.body)?;
        }
        Ok(Some(request))
    }

    pub fn path(&self) -> &str {
        self.head.split(' ').nth(1).unwrap_or_default()
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().skip(1).find_map(|line| {
            let (key, value) = line.split_once(':')?;
            key.eq_ignore_ascii_case(name).then(|| value.trim())
        })
    }

    /// A field of a form, in the encoding of SNS's query protocol.
    pub fn form_field(&self, name: &str) -> Option<String> {
        let pairs = str::from_utf8(&self.body).ok()?.split('&').filter_map(|pair| pair.split_once('='));
        let (_, value) = pairs.into_iter().find(|(key, _)| *key == name)?;
        let spaced = value.replace('+', " ");
        Some(percent_encoding::percent_decode_str(&spaced).decode_utf8().ok()?.into_owned())
    }

    /// Forwards the request over its own connection. Returns the whole answer as received.
    pub fn forward(&self, mut stream: impl Read + Write) -> io::Result<Vec<u8>> {
        let kept = self.head.lines().filter(|line| {
            let name = line.split(':').next().unwrap_or_default().to_ascii_lowercase();
            !["connection", "transfer-encoding", "content-length", "expect"].contains(&name.as_str())
        });
        let head: Vec<&str> = kept.collect();
        write!(stream, "{}\r\nconnection: close\r\ncontent-length: {}\r\n\r\n", head.join("\r\n"), self.body.len())?;
        stream.write_all(&self.body)?;
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer)?;
        Ok(answer)
    }
}

/// Answers a request. The connection stays open for more.
pub fn answer(stream: &mut impl Write, status: u16, headers: &[(&str, &str)], body: &[u8]) -> io::Result<()> {
    write!(stream, "HTTP/1.1 {status} Status\r\ncontent-length: {}\r\n", body.len())?;
    for (name, value) in headers {
        write!(stream, "{name}: {value}\r\n")?;
    }
    stream.write_all(b"\r\n")?;
    stream.write_all(body)?;
    stream.flush()
}
