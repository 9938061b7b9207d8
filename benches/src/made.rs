//! Generated log files: the same for every run, and about as compressible as real ones.

use std::{fmt::Write as _, io::Write as _};

use flate2::{Compression, write::GzEncoder};

/// The special records among the ordinary ones.
#[derive(Clone, Copy, PartialEq)]
pub enum Kind {
    Clean,
    /// Policy documents that contain the policy's name.
    NearMisses,
    /// Attachments of other policies.
    OtherPolicies,
    /// A quarantine in the middle.
    OneMatch,
}

/// The bucket of a trail for a month: 10,000 log files of 100 records each. In 20 of them, a user is quarantined.
pub fn archive() -> impl Iterator<Item = (String, Vec<u8>)> {
    const FILES: usize = 10_000;
    const RECORDS: usize = 100;
    let mut random = Random(0x9e37_79b9_7f4a_7c15);
    (0..FILES).map(move |number| {
        let mut text = String::from("{\"Records\":[");
        for record_number in 0..RECORDS {
            let is_match = number % (FILES / 20) == 123 && record_number == RECORDS / 2;
            let (source, name, parameters) = if is_match {
                ("iam.amazonaws.com", "AttachUserPolicy", MATCH)
            } else {
                CALLS[random.below(CALLS.len())]
            };
            record(&mut random, &mut text, source, name, parameters);
        }
        text.pop();
        text.push_str("]}");
        let (day, hour, minute) = (1 + number % 30, number / 30 % 24, number / 720 * 4);
        let folder = format!("AWSLogs/123456789012/CloudTrail/us-east-1/2026/11/{day:02}");
        let file =
            format!("123456789012_CloudTrail_us-east-1_202611{day:02}T{hour:02}{minute:02}Z_{number:016}.json.gz");
        (format!("{folder}/{file}"), gzip(text.as_bytes()))
    })
}

/// Files of about this many inflated bytes each.
pub fn set(files: usize, bytes: usize, kind: Kind) -> Vec<Vec<u8>> {
    let mut random = Random(0x9e37_79b9_7f4a_7c15);
    (0..files).map(|_| gzip(file(&mut random, bytes, kind).as_bytes())).collect()
}

fn file(random: &mut Random, bytes: usize, kind: Kind) -> String {
    let mut text = String::with_capacity(bytes + 4096);
    text.push_str("{\"Records\":[");
    let mut is_matched = false;
    while text.len() < bytes {
        let is_special = random.below(50) == 0;
        if kind == Kind::NearMisses && is_special {
            record(random, &mut text, "iam.amazonaws.com", "CreatePolicy", NEAR_MISS);
        } else if kind == Kind::OtherPolicies && is_special {
            record(random, &mut text, "iam.amazonaws.com", "AttachUserPolicy", OTHER_POLICY);
        } else if kind == Kind::OneMatch && !is_matched && text.len() > bytes / 2 {
            is_matched = true;
            record(random, &mut text, "iam.amazonaws.com", "AttachUserPolicy", MATCH);
        }
        let (source, name, parameters) = CALLS[random.below(CALLS.len())];
        record(random, &mut text, source, name, parameters);
    }
    text.pop();
    text.push_str("]}");
    text
}

const NEAR_MISS: &str = r#"{"policyName":"readers","policyDocument":"{\"Resource\":\"arn:aws:iam::aws:policy/AWSCompromisedKeyQuarantine*\"}"}"#;
const OTHER_POLICY: &str = r#"{"userName":"user-%","policyArn":"arn:aws:iam::aws:policy/ReadOnlyAccess"}"#;
const MATCH: &str = r#"{"userName":"user-%","policyArn":"arn:aws:iam::aws:policy/AWSCompromisedKeyQuarantineV3"}"#;
const CALLS: [(&str, &str, &str); 8] = [
    (
        "s3.amazonaws.com",
        "GetObject",
        r#"{"bucketName":"data-%","Host":"data-%.s3.us-east-1.amazonaws.com","key":"part-%/%"}"#,
    ),
    (
        "sts.amazonaws.com",
        "AssumeRole",
        r#"{"roleArn":"arn:aws:iam::123456789012:role/worker-%","roleSessionName":"%"}"#,
    ),
    (
        "kms.amazonaws.com",
        "Decrypt",
        r#"{"encryptionContext":{"aws:s3:arn":"arn:aws:s3:::data-%","context":"%\u003d\u003d"},"encryptionAlgorithm":"SYMMETRIC_DEFAULT"}"#,
    ),
    ("ec2.amazonaws.com", "DescribeInstances", r#"{"instancesSet":{"items":[{"instanceId":"i-%"}]},"filterSet":{}}"#),
    (
        "lambda.amazonaws.com",
        "Invoke",
        r#"{"functionName":"arn:aws:lambda:us-east-1:123456789012:function:job-%","invocationType":"Event"}"#,
    ),
    ("dynamodb.amazonaws.com", "PutItem", r#"{"tableName":"table-%","key":{"id":"%"}}"#),
    (
        "logs.amazonaws.com",
        "CreateLogStream",
        r#"{"logGroupName":"/aws/lambda/job-%","logStreamName":"2026/11/24/[$LATEST]%"}"#,
    ),
    ("iam.amazonaws.com", "GetRole", "null"),
];

fn record(random: &mut Random, text: &mut String, source: &str, name: &str, parameters: &str) {
    let (id, key, user) = (random.hex(32), random.hex(16).to_uppercase(), random.below(40));
    let _ = write!(
        text,
        "{{\"eventVersion\":\"1.11\",\"userIdentity\":{{\"type\":\"AssumedRole\",\"principalId\":\"AROA{key}:user-{user}\",\
         \"arn\":\"arn:aws:sts::123456789012:assumed-role/worker-{user}/user-{user}\",\"accountId\":\"123456789012\",\
         \"accessKeyId\":\"ASIA{key}\",\"sessionContext\":{{\"sessionIssuer\":{{\"type\":\"Role\",\"arn\":\
         \"arn:aws:iam::123456789012:role/worker-{user}\",\"accountId\":\"123456789012\",\"userName\":\"worker-{user}\"}},\
         \"attributes\":{{\"creationDate\":\"2026-11-24T0{}:{:02}:{:02}Z\",\"mfaAuthenticated\":\"false\"}}}}}},\
         \"eventTime\":\"2026-11-24T03:{:02}:{:02}Z\",\"eventSource\":\"{source}\",\"eventName\":\"{name}\",\
         \"awsRegion\":\"us-east-1\",\"sourceIPAddress\":\"10.{}.{}.{}\",\"userAgent\":\
         \"[Boto3/1.40.{} exec-env/AWS_Lambda_python3.13]\",\"requestParameters\":",
        random.below(10),
        random.below(60),
        random.below(60),
        random.below(60),
        random.below(60),
        random.below(256),
        random.below(256),
        random.below(256),
        random.below(90),
    );
    for (number, part) in parameters.split('%').enumerate() {
        if number > 0 {
            text.push_str(&random.hex(12));
        }
        text.push_str(part);
    }
    let _ = write!(
        text,
        ",\"responseElements\":null,\"requestID\":\"{}\",\"eventID\":\"{id}\",\"readOnly\":true,\"eventType\":\
         \"AwsApiCall\",\"managementEvent\":true,\"recipientAccountId\":\"123456789012\",\"eventCategory\":\"Management\",\
         \"tlsDetails\":{{\"tlsVersion\":\"TLSv1.3\",\"cipherSuite\":\"TLS_AES_128_GCM_SHA256\",\"clientProvidedHostHeader\":\
         \"{source}\"}}}},",
        random.hex(32),
    );
}

fn gzip(text: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::new(6));
    encoder.write_all(text).expect("memory");
    encoder.finish().expect("memory")
}

/// xorshift64* with a fixed seed, so that every run generates the same files.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    fn below(&mut self, end: usize) -> usize {
        (self.next() % end as u64) as usize
    }

    fn hex(&mut self, digits: usize) -> String {
        let text = format!("{:016x}{:016x}", self.next(), self.next());
        text[..digits].to_owned()
    }
}
