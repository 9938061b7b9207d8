//! The wire between the function and its servers: sees every request, and makes the faults.

use std::{
    io::{BufReader, Write},
    net::{Shutdown, TcpListener, TcpStream},
    process::Command,
    sync::{
        Arc, Condvar, Mutex,
        atomic::{AtomicU32, Ordering},
    },
    thread,
    time::Instant,
};

use super::http::{Request, answer};

/// What happens to a request.
#[derive(Clone, Copy, Debug)]
pub enum Fault {
    None,
    /// Answered with this status and body; the server does not see it.
    Answer(u16, &'static str),
    /// The connection is closed before the server sees it.
    Cut,
    /// The server does it, and the connection is closed after so many bytes of the answer.
    CutAnswer(usize),
    /// The server does it, and after so many bytes of the answer nothing more comes.
    StallAnswer(usize),
    /// Never answered; the server does not see it.
    Hang,
    /// The function is killed before, or after, the server does it.
    KillBefore,
    KillAfter,
}

/// A request that came by.
pub struct Seen {
    pub at: Instant,
    /// Such as `GetObject`, `PutItem`, `Publish`; what the function asks the Runtime API is `Next` and `Answer`.
    pub operation: String,
    /// Counts the requests of this operation, from 1 on.
    pub number: usize,
    pub request: Request,
}

/// Opens once so many have come, and stays open: a request that is sent again finds it as it is.
pub struct Gate {
    awaited: Mutex<usize>,
    opened: Condvar,
}

impl Gate {
    pub fn new(awaited: usize) -> Gate {
        Gate { awaited: Mutex::new(awaited), opened: Condvar::new() }
    }

    pub fn come(&self) {
        let mut awaited = self.awaited.lock().unwrap();
        *awaited = awaited.saturating_sub(1);
        self.opened.notify_all();
    }

    pub fn wait(&self) {
        drop(self.opened.wait_while(self.awaited.lock().unwrap(), |awaited| *awaited > 0).unwrap());
    }
}

type Faults = dyn Fn(&Seen) -> Fault + Send + Sync;

#[derive(Clone)]
pub struct Wire {
    pub endpoint: String,
    faults: Arc<Faults>,
    seen: Arc<Mutex<Vec<Arc<Seen>>>>,
    victim: Arc<AtomicU32>,
}

impl Wire {
    pub fn new(server: &str, faults: impl Fn(&Seen) -> Fault + Send + Sync + 'static) -> Wire {
        let mut wire =
            Wire { endpoint: String::new(), faults: Arc::new(faults), seen: Arc::default(), victim: Arc::default() };
        wire.endpoint = wire.also(server);
        wire
    }

    /// Stands before another server, too; gives the endpoint for it.
    pub fn also(&self, server: &str) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        let (wire, server) = (self.clone(), server.replace("http://", ""));
        thread::spawn(move || {
            for stream in listener.incoming() {
                let (wire, server) = (wire.clone(), server.clone());
                // A connection that the other side gave up is no fault of the test.
                thread::spawn(move || wire.serve(stream.unwrap(), &server).unwrap_or_default());
            }
        });
        endpoint
    }

    /// The requests of an operation so far.
    pub fn seen(&self, operation: &str) -> Vec<Arc<Seen>> {
        self.seen.lock().unwrap().iter().filter(|seen| seen.operation == operation).cloned().collect()
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
                    // S3 gives the region with every answer.
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
        let mut all = self.seen.lock().unwrap();
        let number = 1 + all.iter().filter(|seen| seen.operation == operation).count();
        let seen = Arc::new(Seen { at: Instant::now(), operation, number, request });
        all.push(seen.clone());
        seen
    }

    fn kill(&self) {
        let victim = self.victim.load(Ordering::SeqCst).to_string();
        Command::new("kill").args(["-9", &victim]).status().unwrap();
    }
}
