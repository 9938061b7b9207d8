//! Measures the CPU time of the function's scan, of the limit and of other tools' methods, on the same files in the same
//! run, in alternating rounds. Every figure is a ratio to the limit.

mod bucket;
mod made;

use std::{
    collections::HashMap,
    convert::Infallible,
    env, fs,
    hint::black_box,
    path::Path,
    time::{Duration, Instant},
};

use bytes::Bytes;
use cpu_time::ProcessTime;
use flate2::{Decompress, FlushDecompress, Status};
use libdeflater::Decompressor;
use made::Kind;
use quarantine_alert::{
    rule::Rules,
    scan::{Needles, Passes, ScanStep, Settings, TwoPass},
};
use serde::Deserialize;
use serde_json::Value;

/// About the size of S3's chunks.
const CHUNK_BYTES: usize = 64 * 1024;
/// The function's settings.
const SETTINGS: Settings =
    Settings { limit_mib: Some(4096), other_mib: Some(64), kept_bytes: 1024 * 1024, needs_records: false };
const ROUNDS: usize = 7;

type Scan<'a> = (&'a str, Box<dyn FnMut(&Bytes) + 'a>);

fn main() {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments[..] {
        [] => ratios(Vec::new()),
        ["made", folder] => {
            for (number, file) in medium(Kind::Clean).iter().enumerate() {
                fs::write(format!("{folder}/{number}.json.gz"), file).expect("a folder to write to");
            }
        }
        ["archive", folder] => {
            for (name, file) in made::archive() {
                let path = Path::new(folder).join(name);
                fs::create_dir_all(path.parent().expect("a folder in it")).expect("a folder to write to");
                fs::write(path, file).expect("a folder to write to");
            }
        }
        ["serve", folder] => bucket::serve(folder),
        ["scan", folder] => {
            let rules = Rules::all();
            let needles = rules.needles();
            read(folder).iter().for_each(|file| scan(file, &rules, &needles));
        }
        ["limit", folder] => {
            let mut limit = limit();
            read(folder).iter().for_each(|file| limit(file));
        }
        [folder] => ratios(read(folder)),
        _ => panic!(
            "quarantine-alert-benches [FOLDER | made FOLDER | archive FOLDER | serve FOLDER | scan FOLDER | limit FOLDER]"
        ),
    }
}

const OURS: &str = "quarantine-alert";

fn medium(kind: Kind) -> Vec<Bytes> {
    set(8, 66 << 17, kind)
}

fn set(files: usize, bytes: usize, kind: Kind) -> Vec<Bytes> {
    made::set(files, bytes, kind).into_iter().map(Bytes::from).collect()
}

/// The gzip files of a folder.
fn read(folder: &str) -> Vec<Bytes> {
    let entries = fs::read_dir(folder).expect("a folder of log files").flatten();
    let files = entries.filter_map(|entry| fs::read(entry.path()).ok()).filter(|file| file.starts_with(&[0x1f, 0x8b]));
    files.map(Bytes::from).collect()
}

fn ratios(real: Vec<Bytes>) {
    let rules = Rules::all();
    let needles = rules.needles();
    let mut sets = vec![
        ("small", set(1000, 45 << 10, Kind::Clean)),
        ("medium", medium(Kind::Clean)),
        ("large", set(1, 163 << 20, Kind::Clean)),
        (NEAR_MISSES, medium(Kind::NearMisses)),
        ("medium, attachments of other policies", medium(Kind::OtherPolicies)),
        ("medium, one match in the middle", medium(Kind::OneMatch)),
        ("real", real),
    ];
    sets.retain(|(_, files)| !files.is_empty());
    println!("ratio of CPU time to libdeflate alone: median (minimum to maximum) of {ROUNDS} alternating rounds\n");
    let mut medians = HashMap::new();
    for (name, files) in &sets {
        let bytes: usize = files.iter().map(Bytes::len).sum();
        println!("{name}: {} files, {:.1} MB stored, {:.1} MB inflated", files.len(), mb(bytes), mb(inflated(files)));
        medians.insert(*name, measure(files, &rules, &needles));
    }
    for (name, most) in GOALS {
        verdict(&format!("{name}: at most {most} × the limit"), medians[name], most);
    }
    let [first, all] = ["medium", NEAR_MISSES].map(|name| medians[name]);
    verdict("the second read of a file: at most 1.7 × the first", (all - first) / first, 1.7);
}

const NEAR_MISSES: &str = "medium, policy documents that name it";
const GOALS: [(&str, f64); 4] = [("small", 1.4), ("medium", 1.45), ("large", 1.45), (NEAR_MISSES, 3.2)];

fn verdict(goal: &str, measured: f64, most: f64) {
    println!("{}: {goal}: {measured:.2}", if measured <= most { "goal met" } else { "GOAL MISSED" });
}

/// Returns the median ratio of quarantine-alert.
fn measure(files: &[Bytes], rules: &Rules, needles: &Needles) -> f64 {
    let mut limit = limit();
    let (mut buffer, mut other_buffer) = (vec![0; 256 << 10], vec![0; 256 << 10]);
    let mut deflate = Decompress::new(false);
    let mut scans: Vec<Scan> = vec![
        ("libdeflate, no scan (the limit)", Box::new(move |file| limit(file))),
        ("zlib-rs, neither checksum nor scan", {
            Box::new(move |file| {
                // The header of a member without a name.
                assert_eq!(file[3], 0, "a plain header");
                deflate.reset(false);
                stream(&file[10..], &mut deflate, &mut buffer);
            })
        }),
        ("flate2's gzip (zlib-rs), no scan", {
            Box::new(move |file| {
                // It cannot be reset to gzip.
                stream(file, &mut Decompress::new_gzip(15), &mut other_buffer);
            })
        }),
        (OURS, Box::new(|file| scan(file, rules, needles))),
        ("serde, typed, everything", Box::new(|file| parse::<Typed>(file))),
        ("serde_json Value of everything", Box::new(|file| parse::<Value>(file))),
    ];
    // Parsing everything is slow. For all sets except the small one, two rounds of it are enough.
    let started = Instant::now();
    let mut times = vec![Vec::new(); scans.len()];
    for round in 0..ROUNDS {
        for (number, (_, scan)) in scans.iter_mut().enumerate() {
            if number > 3 && round > 1 && started.elapsed() > Duration::from_secs(10) {
                continue;
            }
            let start = ProcessTime::now();
            files.iter().for_each(scan);
            times[number].push(start.elapsed().as_secs_f64());
        }
    }
    let mut ours = 0.0;
    for (number, (name, _)) in scans.iter().enumerate() {
        let mut ratios: Vec<f64> = times[number].iter().zip(&times[0]).map(|(time, limit)| time / limit).collect();
        ratios.sort_by(f64::total_cmp);
        let (least, median, most) = (ratios[0], ratios[ratios.len() / 2], ratios[ratios.len() - 1]);
        println!("  {name:<36}{median:>7.2}  ({least:.2} to {most:.2})");
        if *name == OURS {
            ours = median;
        }
    }
    println!();
    ours
}

fn limit() -> impl FnMut(&[u8]) {
    let (mut decompressor, mut out) = (Decompressor::new(), Vec::new());
    move |file| {
        let size = u32::from_le_bytes(file[file.len() - 4..].try_into().expect("a trailer")) as usize;
        if out.len() < size {
            out.resize(size, 0);
        }
        black_box(decompressor.gzip_decompress(file, &mut out).expect("a whole file"));
    }
}

/// The function's own scan, on chunks in memory.
fn scan(file: &Bytes, rules: &Rules, needles: &Needles) {
    let mut scan = TwoPass::<Infallible>::new(needles, SETTINGS, Passes::Two);
    let mut rest = file.clone();
    loop {
        match scan.step() {
            ScanStep::Feed => {
                let chunk = rest.split_to(rest.len().min(CHUNK_BYTES));
                scan.feed(Ok(Some(chunk).filter(|chunk| !chunk.is_empty())));
            }
            ScanStep::Reopen => rest = file.clone(),
            ScanStep::Candidate(candidate) => {
                for record in scan.records(&candidate) {
                    black_box(rules.judge(record));
                }
            }
            ScanStep::Yield => {}
            ScanStep::End(end) => {
                end.expect("a whole file");
                return;
            }
        }
    }
}

fn stream(file: &[u8], inflate: &mut Decompress, buffer: &mut [u8]) {
    for mut chunk in file.chunks(CHUNK_BYTES) {
        while !chunk.is_empty() {
            let before = inflate.total_in();
            let status = inflate.decompress(chunk, buffer, FlushDecompress::None).expect("a whole file");
            chunk = &chunk[(inflate.total_in() - before) as usize..];
            if status == Status::StreamEnd {
                return;
            }
        }
    }
}

/// The fields of every record that the rules check.
#[derive(Deserialize)]
#[allow(dead_code, non_snake_case)] // It is only parsed.
struct Typed {
    Records: Vec<TypedRecord>,
}

#[derive(Deserialize)]
#[allow(dead_code, non_snake_case)] // It is only parsed.
struct TypedRecord {
    eventName: Option<String>,
    eventSource: Option<String>,
    errorCode: Option<String>,
    sourceIPAddress: Option<String>,
    requestParameters: Option<TypedParameters>,
}

#[derive(Deserialize)]
#[allow(dead_code, non_snake_case)] // It is only parsed.
struct TypedParameters {
    policyArn: Option<Value>,
}

fn parse<T: for<'de> Deserialize<'de>>(file: &[u8]) {
    let mut text = Vec::new();
    std::io::Read::read_to_end(&mut flate2::read::MultiGzDecoder::new(file), &mut text).expect("a whole file");
    black_box(serde_json::from_slice::<T>(&text).ok());
}

fn inflated(files: &[Bytes]) -> usize {
    let size = |file: &Bytes| u32::from_le_bytes(file[file.len() - 4..].try_into().expect("a trailer")) as usize;
    files.iter().map(size).sum()
}

fn mb(bytes: usize) -> f64 {
    bytes as f64 / 1e6
}
