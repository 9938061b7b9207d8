//! The wire between the function and its servers: records every request, and injects faults.

use std::{
    collections::HashMap,
    io::{BufReader, Write},
    net::{Shutdown, TcpListener, TcpStream},
    process::Command,
    sync::{
        Arc, Condvar, Mutex,
        atomic::{AtomicU32, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use super::http::{Request, answer};

/// A fault of one request.
#[derive(Clone, Copy, Debug)]
pub enum Fault {
    None,
    /// The wire answers with this status and body. The server does not receive the request.
    Answer(u16, &'static str),
    /// The connection is closed. The server does not receive the request.
    Cut,
    /// The server handles the request. The connection is closed after this many bytes of the answer.
    CutAnswer(usize),
    /// The server handles the request. The answer stops after this many bytes, and the connection stays open.
    StallAnswer(usize),
    /// The server handles the request. The answer's body arrives a few bytes a second, which is not slow enough to count as stalled.
    Drip,
    /// The request is never answered. The server does not receive it.
    Hang,
    /// The function is killed before the server receives the request.
    KillBefore,
    /// The function is killed after the server has handled the request.
    KillAfter,
}

/// A request that passed through the wire.
pub struct Seen {
    pub at: Instant,
    /// For example `GetObject`, `PutItem` or `Publish`. Requests to the Runtime API are `Next` and `Answer`.
    pub operation: String,
    /// Its number among the requests of this operation, from 1.
    pub number: usize,
    pub request: Request,
}

/// Opens after this many arrivals, and stays open, so that a retried request passes.
pub struct Gate {
    missing: Mutex<usize>,
    opened: Condvar,
}

impl Gate {
    pub fn new(arrivals: usize) -> Gate {
        Gate { missing: Mutex::new(arrivals), opened: Condvar::new() }
    }

    pub fn arrive(&self) {
        let mut missing = self.missing.lock().unwrap();
        *missing = missing.saturating_sub(1);
        self.opened.notify_all();
    }

    pub fn wait(&self) {
        drop(self.opened.wait_while(self.missing.lock().unwrap(), |missing| *missing > 0).unwrap());
    }
}

/// The requests so far.
#[derive(Default)]
struct Passed {
    all: Vec<Arc<Seen>>,
    /// The number of requests of each operation, which a long run asks for many thousand times.
    numbers: HashMap<String, usize>,
}

type Faults = dyn Fn(&Seen) -> Fault + Send + Sync;

#[derive(Clone)]
pub struct Wire {
    pub endpoint: String,
    faults: Arc<Faults>,
    seen: Arc<Mutex<Passed>>,
    victim: Arc<AtomicU32>,
}

impl Wire {
    pub fn new(server: &str, faults: impl Fn(&Seen) -> Fault + Send + Sync + 'static) -> Wire {
        let mut wire =
            Wire { endpoint: String::new(), faults: Arc::new(faults), seen: Arc::default(), victim: Arc::default() };
        wire.endpoint = wire.intercept(server);
        wire
    }

    /// Puts the wire in front of another server. Returns the endpoint to use instead of that server.
    pub fn intercept(&self, server: &str) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        let (wire, server) = (self.clone(), server.replace("http://", ""));
        thread::spawn(move || {
            for stream in listener.incoming() {
                let (wire, server) = (wire.clone(), server.clone());
                // A connection that the other side closed is not an error of the test.
                thread::spawn(move || wire.serve(stream.unwrap(), &server).unwrap_or_default());
            }
        });
        endpoint
    }

    /// The requests of an operation so far.
    pub fn seen(&self, operation: &str) -> Vec<Arc<Seen>> {
        self.seen.lock().unwrap().all.iter().filter(|seen| seen.operation == operation).cloned().collect()
    }

    /// The process that the kill faults kill.
    pub fn set_victim(&self, process: u32) {
        self.victim.store(process, Ordering::SeqCst);
    }

    fn serve(&self, mut stream: TcpStream, server: &str) -> std::io::Result<()> {
        let mut reader = BufReader::new(stream.try_clone()?);
        while let Some(request) = Request::read(&mut reader)? {
            let seen = self.note(request);
            let forward = || seen.request.forward(TcpStream::connect(server)?);
            match (self.faults)(&seen) {
                Fault::None => stream.write_all(&forward()?)?,
                Fault::Answer(status, body) => {
                    // S3 returns the region with every answer.
                    let headers =
                        [("content-type", "application/x-amz-json-1.0"), ("x-amz-bucket-region", "eu-west-1")];
                    answer(&mut stream, status, &headers, body.as_bytes())?;
                    continue;
                }
                Fault::Cut => {}
                Fault::CutAnswer(bytes) => {
                    let answer = forward()?;
                    stream.write_all(&answer[..bytes.min(answer.len())])?;
                }
                Fault::StallAnswer(bytes) => {
                    let answer = forward()?;
                    stream.write_all(&answer[..bytes.min(answer.len())])?;
                    // Until the function gives up.
                    let _ = Request::read(&mut reader);
                }
                Fault::Drip => {
                    let answer = forward()?;
                    let head = 4 + answer.windows(4).position(|window| window == b"\r\n\r\n").unwrap_or_default();
                    stream.write_all(&answer[..head])?;
                    stream.set_read_timeout(Some(Duration::from_millis(250)))?;
                    for byte in &answer[head..] {
                        stream.write_all(&[*byte])?;
                        // Until the function gives up.
                        if Request::read(&mut reader).is_ok() {
                            break;
                        }
                    }
                }
                Fault::Hang => {
                    // Until the function gives up.
                    let _ = Request::read(&mut reader);
                }
                Fault::KillBefore => self.kill(),
                Fault::KillAfter => {
                    forward()?;
                    self.kill();
                }
            }
            // The server closes each connection after its answer, and so does the wire.
            stream.shutdown(Shutdown::Both)?;
            return Ok(());
        }
        Ok(())
    }

    fn note(&self, request: Request) -> Arc<Seen> {
        let target = request.header("x-amz-target").and_then(|target| target.split('.').nth(1)).map(str::to_owned);
        let operation = match request.path().rsplit('/').next() {
            Some("next") => "Next".into(),
            Some("response" | "error") => "Answer".into(),
            _ => target.or_else(|| request.form_field("Action")).unwrap_or_else(|| "GetObject".into()),
        };
        let mut passed = self.seen.lock().unwrap();
        let number = passed.numbers.entry(operation.clone()).or_default();
        *number += 1;
        let seen = Arc::new(Seen { at: Instant::now(), number: *number, operation, request });
        passed.all.push(seen.clone());
        seen
    }

    fn kill(&self) {
        let victim = self.victim.load(Ordering::SeqCst).to_string();
        Command::new("kill").args(["-9", &victim]).status().unwrap();
    }
}
