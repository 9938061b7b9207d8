//! The built function as a process, between a Runtime API and local servers.

pub mod cases;
pub mod errors;
pub mod http;
pub mod local_aws;
pub mod runtime_api;
pub mod schema;
pub mod wire;

use std::{
    collections::BTreeMap,
    env,
    ffi::OsString,
    fs,
    io::{BufRead, BufReader, Write},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::{
        Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use flate2::{Compression, write::GzEncoder};
use local_aws::{Account, REGION};
use runtime_api::RuntimeApi;
use serde_json::{Value, json};
use wire::Wire;

/// The function's timeout in the template.
pub const TIMEOUT: Duration = Duration::from_secs(60);

/// The timeout begins when the function receives the invocation.
const SLOW_START: Duration = Duration::from_secs(30);

/// Where `make coverage` counts.
pub fn coverage() -> Option<(&'static str, OsString)> {
    const FILE: &str = "LLVM_PROFILE_FILE";
    env::var_os(FILE).map(|file| (FILE, file))
}

/// A running function.
pub struct Function {
    process: Child,
    runtime: RuntimeApi,
    output: Option<JoinHandle<Vec<String>>>,
}

impl Function {
    pub fn start(account: &Account) -> Function {
        Function::start_with(account, &account.endpoint, &[])
    }

    /// Starts a function whose requests to the servers and the Runtime API pass through the wire.
    pub fn start_on(account: &Account, wire: &Wire) -> Function {
        let runtime = RuntimeApi::start();
        let runtime_address = wire.intercept(&runtime.address).replace("http://", "");
        let function = Function::spawn(account, &wire.endpoint, runtime, &runtime_address, &[]);
        wire.set_victim(function.process.id());
        function
    }

    /// Starts a function with additional variables. An empty variable counts as not set.
    pub fn start_with(account: &Account, endpoint: &str, variables: &[(&str, &str)]) -> Function {
        let runtime = RuntimeApi::start();
        let address = runtime.address.clone();
        Function::spawn(account, endpoint, runtime, &address, variables)
    }

    fn spawn(
        account: &Account,
        endpoint: &str,
        runtime: RuntimeApi,
        runtime_address: &str,
        variables: &[(&str, &str)],
    ) -> Function {
        let mut all = BTreeMap::from([
            ("AWS_LAMBDA_RUNTIME_API", runtime_address),
            ("AWS_LAMBDA_FUNCTION_NAME", "quarantine-alert"),
            ("AWS_LAMBDA_FUNCTION_VERSION", "1"),
            ("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "128"),
            ("AWS_LAMBDA_LOG_FORMAT", "JSON"),
            ("AWS_REGION", REGION),
            ("AWS_ACCESS_KEY_ID", &account.id),
            ("AWS_SECRET_ACCESS_KEY", "local"),
            ("AWS_ENDPOINT_URL", endpoint),
            ("ALERT_TOPIC_ARN", &account.topic),
            ("DEDUP_TABLE", &account.table),
        ]);
        all.extend(variables.iter().copied());
        let mut process = Command::new(function_binary())
            .env_clear()
            .envs(coverage())
            .envs(all)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let stdout = BufReader::new(process.stdout.take().unwrap());
        let output = thread::spawn(move || stdout.lines().map_while(Result::ok).collect());
        Function { process, runtime, output: Some(output) }
    }

    /// Invokes the function. The test fails if the function dies or does not answer.
    pub fn invoke(&mut self, payload: &Value) -> Result<Value, Value> {
        self.invoke_within(payload, TIMEOUT).expect("the function died")
    }

    /// Invokes the function with this timeout. Returns `None` if the function dies.
    pub fn invoke_within(&mut self, payload: &Value, timeout: Duration) -> Option<Result<Value, Value>> {
        self.runtime.invoke(payload.to_string(), timeout);
        let started = Instant::now();
        loop {
            if let Some(answer) = self.runtime.answer(Duration::from_millis(20)) {
                return Some(answer);
            }
            if self.process.try_wait().unwrap().is_some() {
                return None;
            }
            assert!(started.elapsed() < timeout + SLOW_START, "the function does not answer");
        }
    }

    /// Ends the function. Returns its log lines without the metrics.
    pub fn log(self) -> Vec<LogLine> {
        self.log_and_metrics().0
    }

    /// Ends the function. Returns its log lines, and the sums of the metrics of all its invocations.
    pub fn log_and_metrics(mut self) -> (Vec<LogLine>, BTreeMap<String, u64>) {
        let _ = self.process.kill();
        let lines = self.output.take().unwrap().join().unwrap();
        let mut log = Vec::new();
        let mut metrics = BTreeMap::new();
        for line in lines {
            let line: Value = serde_json::from_str(&line).unwrap_or_else(|_| json!({ "raw": line }));
            if line.get("_aws").is_none() {
                log.push(LogLine(line));
                continue;
            }
            for (name, count) in line.as_object().unwrap().iter().filter(|(_, value)| value.is_u64()) {
                *metrics.entry(name.clone()).or_default() += count.as_u64().unwrap();
            }
        }
        (log, metrics)
    }

    pub fn id(&self) -> u32 {
        self.process.id()
    }

    /// Waits until the function ends. Returns its exit status.
    pub fn wait(&mut self) -> Option<i32> {
        self.process.wait().unwrap().code()
    }
}

/// A function does not outlive its test.
impl Drop for Function {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// A log line of the function.
#[derive(Debug)]
pub struct LogLine(pub Value);

impl LogLine {
    pub fn level(&self) -> &str {
        self.0["level"].as_str().unwrap_or_default()
    }

    pub fn message(&self) -> &str {
        self.0["fields"]["message"].as_str().unwrap_or_default()
    }

    pub fn field(&self, name: &str) -> &Value {
        &self.0["fields"][name]
    }
}

/// Runs the cells of a table in eight threads. Returns their results in order.
pub fn in_parallel<C: Sync, R: Send>(cells: &[C], run: impl AsyncFn(&C) -> R + Sync) -> Vec<R> {
    let next = AtomicUsize::new(0);
    let results = Mutex::new(BTreeMap::new());
    thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
                while let number = next.fetch_add(1, Ordering::SeqCst)
                    && let Some(cell) = cells.get(number)
                {
                    let result = runtime.block_on(run(cell));
                    results.lock().unwrap().insert(number, result);
                }
            });
        }
    });
    results.into_inner().unwrap().into_values().collect()
}

/// The number of lines with this message.
pub fn count(log: &[LogLine], message: &str) -> usize {
    log.iter().filter(|line| line.message() == message).count()
}

pub fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// A path in the repository, from any of its packages.
pub fn path(relative: &str) -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().find(|folder| folder.join("template.yaml").exists());
    root.expect("no template.yaml above this package").join(relative)
}

/// The Python of the local tools.
pub fn python() -> PathBuf {
    let python = path(".tools/local/bin/python");
    assert!(python.exists(), "the local AWS is not installed: run `make local` first");
    python
}

/// The built function. It is next to the folder of the test binaries, for every package.
fn function_binary() -> PathBuf {
    let test = env::current_exe().unwrap();
    let binary = test.ancestors().nth(2).unwrap().join("quarantine-alert");
    assert!(binary.exists(), "{} is not built: run `cargo build` first", binary.display());
    binary
}

/// A payload of `events/`, with the account's bucket.
pub fn event(name: &str, account: &Account) -> Value {
    let text = fs::read_to_string(path(&format!("events/{name}.json"))).unwrap();
    serde_json::from_str(&text.replace("example-trail-logs", &account.bucket)).unwrap()
}

/// A log file of `events/log-files/`.
pub fn log_file(name: &str) -> Value {
    serde_json::from_str(&fs::read_to_string(path(&format!("events/log-files/{name}.json"))).unwrap()).unwrap()
}

/// The key of a log file in the payloads of `events/`.
pub fn key(name: &str) -> String {
    let file = format!("123456789012_CloudTrail_us-east-1_20261124T0305Z_{name}.json.gz");
    format!("AWSLogs/123456789012/CloudTrail/us-east-1/2026/11/24/{file}")
}

/// Puts log files of `events/log-files/` at the keys that the payloads name.
pub async fn put_log_files(account: &Account, names: &[&str]) {
    for name in names {
        account.put(&key(name), gzip(log_file(name).to_string().as_bytes())).await;
    }
}

/// The delivery of objects by the queue, one per message. The message ids are `1`, `2`, ….
pub fn delivery(account: &Account, keys: &[&str]) -> Value {
    let template = event("sqs-s3-object-created", account);
    let messages = keys.iter().enumerate().map(|(number, key)| {
        let mut message = template["Records"][0].clone();
        let mut body: Value = serde_json::from_str(message["body"].as_str().unwrap()).unwrap();
        body["Records"][0]["s3"]["object"] = json!({ "key": key, "size": 1 });
        message["body"] = body.to_string().into();
        message["messageId"] = (number + 1).to_string().into();
        message
    });
    json!({ "Records": messages.collect::<Vec<_>>() })
}

/// The ids of the batch item failures in an answer.
pub fn failed_items(answer: &Value) -> Vec<&str> {
    let failures = answer["batchItemFailures"].as_array().expect("not an answer for a queue");
    failures.iter().map(|failure| failure["itemIdentifier"].as_str().unwrap()).collect()
}

/// A log file of this many inflated MiB, in gzip members of one MiB each, and then this record. It is about seven times
/// smaller when it is stored, like those of CloudTrail.
pub fn large_log_file(mib: usize, last: &Value) -> Vec<u8> {
    let mut record = log_file("clean")["Records"][0].clone();
    let mut state = 7_u64;
    let mut random = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        format!("{:016x}", state.rotate_left(29))
    };
    let mut text = String::new();
    while text.len() < 1 << 20 {
        record["eventID"] = json!(random() + &random());
        record["requestID"] = json!([(); 14].map(|()| random()).concat());
        text.push_str(&format!("{record},"));
    }
    let end = format!("{last}]}}");
    [gzip(br#"{"Records":["#), gzip(text.as_bytes()).repeat(mib), gzip(end.as_bytes())].concat()
}

/// The peak resident memory of the function so far.
pub fn peak_mib(function: &Function) -> f64 {
    let status = fs::read_to_string(format!("/proc/{}/status", function.id())).unwrap();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    peak.trim().trim_end_matches(" kB").parse::<f64>().unwrap() / 1024.0
}
