//! The local AWS: one server for the test binary, and one account for each test.

use std::{
    collections::HashMap,
    io::{BufRead, BufReader},
    process::{Child, Command, Stdio},
    sync::{
        OnceLock,
        atomic::{AtomicU64, Ordering},
    },
};

use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_sdk_dynamodb::types::{
    AttributeDefinition, AttributeValue, BillingMode, KeySchemaElement, KeyType, ScalarAttributeType::S as Text,
};
use aws_sdk_s3::config::{Credentials, SharedCredentialsProvider};
use aws_sdk_sqs::types::QueueAttributeName;
use aws_smithy_http_client::{
    Builder,
    tls::{Provider, rustls_provider::CryptoMode},
};
use serde_json::{Value, json};

use super::{path, python, schema::violation};

pub const REGION: &str = "us-east-1";

/// A local AWS. It ends when its standard input closes, which also happens if this process is killed.
pub struct Server {
    pub endpoint: String,
    _process: Child,
}

impl Server {
    pub fn start(options: &[&str]) -> Server {
        let mut process = Command::new(python())
            .arg(path("tools/local_aws.py"))
            .arg("serve")
            .args(options)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut endpoint = String::new();
        BufReader::new(process.stdout.take().unwrap()).read_line(&mut endpoint).unwrap();
        assert!(endpoint.starts_with("http://127.0.0.1:"), "the local AWS did not start");
        Server { endpoint: endpoint.trim().to_owned(), _process: process }
    }

    pub fn shared() -> &'static Server {
        static SERVER: OnceLock<Server> = OnceLock::new();
        SERVER.get_or_init(|| Server::start(&[]))
    }
}

/// An AWS account with a log bucket, a dedup table, an alert topic, and a queue that receives the alerts.
pub struct Account {
    pub id: String,
    pub endpoint: String,
    pub bucket: String,
    pub table: String,
    pub topic: String,
    pub alert_queue: String,
    pub s3: aws_sdk_s3::Client,
    pub sns: aws_sdk_sns::Client,
    pub sqs: aws_sdk_sqs::Client,
    pub dynamodb: aws_sdk_dynamodb::Client,
}

impl Account {
    /// A new account on the shared server, with everything that the function needs.
    pub async fn new() -> Account {
        static NEXT: AtomicU64 = AtomicU64::new(100_000_000_001);
        let id = NEXT.fetch_add(1, Ordering::SeqCst).to_string();
        let mut account = Account::at(&Server::shared().endpoint, &id);
        account.s3.create_bucket().bucket(&account.bucket).send().await.unwrap();
        account.create_table().await;
        account.topic = account.sns.create_topic().name("alerts").send().await.unwrap().topic_arn.unwrap();
        account.alert_queue = account.subscribe(&account.topic, "alerts").await;
        account
    }

    /// An account on another server, without any resource.
    pub fn at(endpoint: &str, id: &str) -> Account {
        let http = Builder::new().tls_provider(Provider::Rustls(CryptoMode::Ring)).build_https();
        let sdk = SdkConfig::builder()
            .behavior_version(BehaviorVersion::latest())
            .endpoint_url(endpoint)
            .region(Region::new(REGION))
            .credentials_provider(SharedCredentialsProvider::new(Credentials::new(id, "local", None, None, "test")))
            .http_client(http)
            .build();
        let by_path = aws_sdk_s3::config::Builder::from(&sdk).force_path_style(true).build();
        Account {
            id: id.to_owned(),
            endpoint: endpoint.to_owned(),
            bucket: format!("logs-{id}"),
            table: "dedup".into(),
            topic: String::new(),
            alert_queue: String::new(),
            s3: aws_sdk_s3::Client::from_conf(by_path),
            sns: aws_sdk_sns::Client::new(&sdk),
            sqs: aws_sdk_sqs::Client::new(&sdk),
            dynamodb: aws_sdk_dynamodb::Client::new(&sdk),
        }
    }

    pub async fn create_table(&self) {
        let key = AttributeDefinition::builder().attribute_name("dedup_key").attribute_type(Text).build().unwrap();
        let schema = KeySchemaElement::builder().attribute_name("dedup_key").key_type(KeyType::Hash).build().unwrap();
        let table = self.dynamodb.create_table().table_name(&self.table).billing_mode(BillingMode::PayPerRequest);
        table.attribute_definitions(key).key_schema(schema).send().await.unwrap();
    }

    /// Creates a queue that receives the messages of the topic unchanged. Returns its URL.
    pub async fn subscribe(&self, topic: &str, name: &str) -> String {
        let arn = format!("arn:aws:sqs:{REGION}:{}:{name}", self.id);
        let policy = json!({ "Version": "2012-10-17", "Statement": [{
            "Effect": "Allow", "Principal": { "Service": "sns.amazonaws.com" }, "Action": "sqs:SendMessage", "Resource": arn,
        }] });
        let queue = self.sqs.create_queue().queue_name(name).attributes(QueueAttributeName::Policy, policy.to_string());
        let url = queue.send().await.unwrap().queue_url.unwrap();
        let subscription = self.sns.subscribe().topic_arn(topic).protocol("sqs").endpoint(arn);
        subscription.attributes("RawMessageDelivery", "true").send().await.unwrap();
        url
    }

    pub async fn put(&self, key: &str, bytes: Vec<u8>) {
        self.s3.put_object().bucket(&self.bucket).key(key).body(bytes.into()).send().await.unwrap();
    }

    /// Ends the leases of all claims.
    pub async fn end_leases(&self) {
        for mut document in self.documents().await {
            let AttributeValue::L(incidents) = document.get_mut("incidents").unwrap() else { panic!("not a list") };
            for incident in incidents {
                let AttributeValue::M(incident) = incident else { panic!("not an incident") };
                incident.entry("until".into()).and_modify(|until| *until = AttributeValue::N("0".into()));
            }
            self.put_document(document).await;
        }
    }

    pub async fn documents(&self) -> Vec<HashMap<String, AttributeValue>> {
        self.dynamodb.scan().table_name(&self.table).send().await.unwrap().items.unwrap_or_default()
    }

    pub async fn put_document(&self, document: HashMap<String, AttributeValue>) {
        self.dynamodb.put_item().table_name(&self.table).set_item(Some(document)).send().await.unwrap();
    }

    /// The new alerts. The test fails if their number is not `count`.
    pub async fn alerts(&self, count: usize) -> Vec<Value> {
        let alerts = self.new_alerts().await;
        assert_eq!(alerts.len(), count, "alerts: {alerts:#?}");
        alerts
    }

    /// The alerts since the last call. The local SNS delivers a message before it answers the publish.
    pub async fn new_alerts(&self) -> Vec<Value> {
        let mut alerts = Vec::new();
        loop {
            let queue = self.sqs.receive_message().queue_url(&self.alert_queue).max_number_of_messages(10);
            let messages = queue.send().await.unwrap().messages.unwrap_or_default();
            if messages.is_empty() {
                return alerts;
            }
            for message in messages {
                let delete = self.sqs.delete_message().queue_url(&self.alert_queue);
                delete.receipt_handle(message.receipt_handle.unwrap()).send().await.unwrap();
                let alert = serde_json::from_str(&message.body.unwrap()).unwrap();
                assert_eq!(violation(&alert), None, "{alert:#}");
                alerts.push(alert);
            }
        }
    }

    /// Waits for an alert.
    pub async fn next_alert(&self) -> Value {
        for _ in 0..6 {
            let queue = self.sqs.receive_message().queue_url(&self.alert_queue).wait_time_seconds(20);
            let Some(message) = queue.send().await.unwrap().messages.unwrap_or_default().pop() else { continue };
            let delete = self.sqs.delete_message().queue_url(&self.alert_queue);
            delete.receipt_handle(message.receipt_handle.unwrap()).send().await.unwrap();
            let alert = serde_json::from_str(&message.body.unwrap()).unwrap();
            assert_eq!(violation(&alert), None, "{alert:#}");
            return alert;
        }
        panic!("no alert in two minutes");
    }
}
