//! A bucket for benchmarks: a folder behind as much of the S3 API as quarantine-scan calls, with a latency.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write as _,
    fs, io,
    ops::Bound,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    thread,
    time::Duration,
};

use percent_encoding::percent_decode_str;
use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader},
    net::{TcpListener, TcpStream},
    time::sleep,
};

/// Within a region, S3 answers after 20 to 50 ms.
const LATENCY: Duration = Duration::from_millis(30);
const PAGE: usize = 1000;

struct Object {
    body: Vec<u8>,
    gets: AtomicU64,
}

/// The objects of a folder, by key.
type Objects = BTreeMap<String, Object>;

/// Serves a folder on loopback, and prints the endpoint. At the end of standard input, prints how many objects were downloaded, and
/// how often the one that was downloaded most.
#[tokio::main(flavor = "current_thread")]
pub async fn serve(folder: &str) {
    let mut objects = Objects::new();
    load(Path::new(folder), "", &mut objects);
    let objects = Arc::new(objects);
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    println!("http://{}", listener.local_addr().expect("a port"));
    let counted = objects.clone();
    thread::spawn(move || {
        let _ = io::copy(&mut io::stdin(), &mut io::sink());
        let gets = || counted.values().map(|object| object.gets.load(Ordering::Relaxed));
        println!("{} {}", gets().filter(|&gets| gets > 0).count(), gets().max().unwrap_or(0));
        std::process::exit(0);
    });
    while let Ok((stream, _)) = listener.accept().await {
        let objects = objects.clone();
        tokio::spawn(async move {
            // The client closes its connections when it likes.
            let _ = connection(stream, &objects).await;
        });
    }
}

fn load(folder: &Path, prefix: &str, objects: &mut Objects) {
    for entry in fs::read_dir(folder).expect("a folder of log files").flatten() {
        let key = format!("{prefix}{}", entry.file_name().to_string_lossy());
        if entry.path().is_dir() {
            load(&entry.path(), &format!("{key}/"), objects);
        } else {
            let body = fs::read(entry.path()).expect("a log file");
            objects.insert(key, Object { body, gets: AtomicU64::new(0) });
        }
    }
}

async fn connection(mut stream: TcpStream, objects: &Objects) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let (read, mut write) = stream.split();
    let mut lines = BufReader::new(read).lines();
    while let Some(request) = lines.next_line().await? {
        while lines.next_line().await?.is_some_and(|line| !line.is_empty()) {}
        sleep(LATENCY).await;
        let target = request.split(' ').nth(1).unwrap_or_default();
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let key = percent_decode_str(path.split('/').skip(2).collect::<Vec<_>>().join("/").as_str())
            .decode_utf8_lossy()
            .into_owned();
        let listed;
        let (status, body) = match objects.get(&key) {
            Some(object) => {
                object.gets.fetch_add(1, Ordering::Relaxed);
                ("200 OK", object.body.as_slice())
            }
            None if key.is_empty() => {
                listed = list(objects, query).into_bytes();
                ("200 OK", listed.as_slice())
            }
            None => ("404 Not Found", &b""[..]),
        };
        let head = format!("HTTP/1.1 {status}\r\netag: \"x\"\r\ncontent-length: {}\r\n\r\n", body.len());
        write.write_all(&[head.as_bytes(), body].concat()).await?;
    }
    Ok(())
}

/// Other tools want them.
const OTHER_FIELDS: &str = "<LastModified>2026-01-01T00:00:00.000Z</LastModified><ETag>\"0\"</ETag>";

/// A page of ListObjectsV2. The continuation token is the last key of the page before.
fn list(objects: &Objects, query: &str) -> String {
    let parameter = |name: &str| {
        let value = query.split('&').find_map(|pair| pair.strip_prefix(name)?.strip_prefix('='));
        value.map(|value| percent_decode_str(value).decode_utf8_lossy().into_owned())
    };
    let prefix = parameter("prefix").unwrap_or_default();
    let is_by_folder = parameter("delimiter").is_some();
    let begin = parameter("continuation-token").map_or(Bound::Included(prefix.clone()), Bound::Excluded);
    let (mut keys, mut folders) = (Vec::new(), BTreeSet::new());
    for (key, object) in objects.range((begin, Bound::Unbounded)) {
        let Some(rest) = key.strip_prefix(&prefix).filter(|_| keys.len() < PAGE) else { break };
        match rest.split_once('/').filter(|_| is_by_folder) {
            Some((folder, _)) => _ = folders.insert(format!("{prefix}{folder}/")),
            None => keys.push((key, object.body.len())),
        }
    }
    let is_truncated = keys.len() == PAGE;
    let mut xml = format!("<ListBucketResult><IsTruncated>{is_truncated}</IsTruncated>");
    for (key, size) in &keys {
        let _ = write!(xml, "<Contents><Key>{key}</Key><Size>{size}</Size>{OTHER_FIELDS}</Contents>");
    }
    for folder in folders {
        let _ = write!(xml, "<CommonPrefixes><Prefix>{folder}</Prefix></CommonPrefixes>");
    }
    if let Some((last, _)) = keys.last().filter(|_| is_truncated) {
        let _ = write!(xml, "<NextContinuationToken>{last}</NextContinuationToken>");
    }
    xml + "</ListBucketResult>"
}
