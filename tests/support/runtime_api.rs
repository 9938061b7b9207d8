//! The Lambda Runtime API: sends invocations to the function and receives its answers.
//!
//! <https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html>

use std::{
    io::BufReader,
    net::{TcpListener, TcpStream},
    sync::{
        Arc, Mutex,
        mpsc::{Receiver, Sender, channel},
    },
    thread,
    time::{Duration, SystemTime},
};

use serde_json::Value;

use super::http::{Request, answer};

pub struct RuntimeApi {
    pub address: String,
    invocations: Sender<(String, Duration)>,
    answers: Receiver<Result<Value, Value>>,
}

impl RuntimeApi {
    pub fn start() -> RuntimeApi {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let (invocations, next) = channel();
        let (answered, answers) = channel();
        let next = Arc::new(Mutex::new(next));
        thread::spawn(move || {
            for stream in listener.incoming() {
                let (next, answered) = (next.clone(), answered.clone());
                thread::spawn(move || serve(stream.unwrap(), &next, &answered));
            }
        });
        RuntimeApi { address, invocations, answers }
    }

    pub fn invoke(&self, payload: String, timeout: Duration) {
        self.invocations.send((payload, timeout)).unwrap();
    }

    /// The result of the function, or its error. `None` if neither arrives within that time.
    pub fn answer(&self, within: Duration) -> Option<Result<Value, Value>> {
        self.answers.recv_timeout(within).ok()
    }
}

fn serve(mut stream: TcpStream, next: &Mutex<Receiver<(String, Duration)>>, answered: &Sender<Result<Value, Value>>) {
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    while let Ok(Some(request)) = Request::read(&mut reader) {
        let path = request.path();
        // The wire sends this header. With it in the answer, the client does not reuse the connection.
        let is_last = request.header("connection") == Some("close");
        let connection = ("connection", if is_last { "close" } else { "keep-alive" });
        if path.ends_with("/invocation/next") {
            // The sender is dropped when the test ends.
            let Ok((payload, timeout)) = next.lock().unwrap().recv() else { return };
            let since_1970 = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap();
            let deadline = (since_1970 + timeout).as_millis().to_string();
            let headers =
                [connection, ("lambda-runtime-aws-request-id", "1"), ("lambda-runtime-deadline-ms", deadline.as_str())];
            if answer(&mut stream, 200, &headers, payload.as_bytes()).is_err() {
                return;
            }
        } else {
            let body = serde_json::from_slice(&request.body).unwrap_or(Value::Null);
            let _ = answered.send(if path.ends_with("/response") { Ok(body) } else { Err(body) });
            // The function may be dead by now.
            if answer(&mut stream, 202, &[connection], b"").is_err() {
                return;
            }
        }
        if is_last {
            return;
        }
    }
}
