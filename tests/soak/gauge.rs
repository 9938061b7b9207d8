//! The memory and the file descriptors of a process, and whether they grow.

use std::fs;

/// After an invocation, while the function waits for the next one.
#[derive(Clone, Copy)]
pub struct Sample {
    pub resident_kib: usize,
    pub descriptors: usize,
}

impl Sample {
    /// `None` if the process has ended.
    pub fn of(process: u32) -> Option<Sample> {
        let status = fs::read_to_string(format!("/proc/{process}/status")).ok()?;
        let resident = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
        Some(Sample {
            resident_kib: resident.trim().trim_end_matches(" kB").parse().ok()?,
            descriptors: fs::read_dir(format!("/proc/{process}/fd")).ok()?.count(),
        })
    }
}

/// The maximum in each quarter of a run, except the first tenth, in which a process warms up.
pub fn quarters(samples: &[Sample], value: impl Fn(&Sample) -> usize) -> [usize; 4] {
    let samples = &samples[samples.len() / 10..];
    let quarter = |number: usize| &samples[samples.len() * number / 4..samples.len() * (number + 1) / 4];
    [0, 1, 2, 3].map(|number| quarter(number).iter().map(&value).max().unwrap_or(0))
}

/// Whether the last quarter needs no more than the first one, up to a tolerance.
pub fn is_flat([first, .., last]: [usize; 4], tolerance: usize) -> bool {
    last <= first + tolerance
}

#[test]
fn growth_is_not_flat() {
    let samples = |growth: usize| -> Vec<Sample> {
        let sample = |number| Sample { resident_kib: 20_000 + growth * number + number % 7, descriptors: 9 };
        (0..1000).map(sample).collect()
    };
    let resident = |samples: &[Sample]| quarters(samples, |sample| sample.resident_kib);
    assert!(is_flat(resident(&samples(0)), 10));
    assert!(!is_flat(resident(&samples(1)), 500));
    assert_eq!(quarters(&samples(1), |sample| sample.descriptors), [9; 4]);
}
