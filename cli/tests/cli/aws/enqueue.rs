//! `enqueue`: old log files to the delivery queue.

use super::*;

#[tokio::test(flavor = "multi_thread")]
async fn enqueue_sends_each_log_file_once() {
    let account = Account::new().await;
    put_archive(&account).await;
    // So that there is more than one batch.
    for number in 0..25 {
        account.put(&key_of("123456789012", "2026/11/24", &format!("b+ é{number:02}")), stored(&[json!({})])).await;
    }
    let queue = account.sqs.create_queue().queue_name("delivery").send().await.unwrap().queue_url.unwrap();
    let path = format!("s3://{}/AWSLogs/", account.bucket);
    let sent = scan_in(&account, &["enqueue", &path, "--queue", &queue, "--rate", "100000"]);
    assert_eq!(sent.status, Some(0), "{}", sent.stderr);
    assert!(sent.stderr.starts_with("28 log files sent to the queue in "), "{}", sent.stderr);
    // The function handles these messages like S3's own.
    let mut messages = Vec::new();
    loop {
        let receive = account.sqs.receive_message().queue_url(&queue).max_number_of_messages(10);
        let received = receive.send().await.unwrap().messages.unwrap_or_default();
        if received.is_empty() {
            break;
        }
        for message in received {
            let delete = account.sqs.delete_message().queue_url(&queue);
            delete.receipt_handle(message.receipt_handle.unwrap()).send().await.unwrap();
            messages.push(message.body.unwrap());
        }
    }
    assert_eq!(messages.len(), 28);
    let mut batch = event("sqs-s3-object-created", &account);
    let template = batch["Records"][0].clone();
    let records = messages.iter().enumerate().map(|(number, body)| {
        let mut message = template.clone();
        message["messageId"] = json!(number.to_string());
        message["body"] = json!(body);
        message
    });
    batch["Records"] = records.collect();
    let answer = Function::start(&account).invoke(&batch).unwrap();
    assert_eq!(answer, json!({ "batchItemFailures": [] }));
    account.alerts(3).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn enqueue_resumes_where_it_stopped() {
    let account = Account::new().await;
    for day in 10..20 {
        account.put(&key_of("123456789012", &format!("2026/11/{day}"), "a"), stored(&[json!({})])).await;
    }
    account.put(&key_of("123456789012", "2026/11/12", "emptied"), Vec::new()).await;
    let queue = account.sqs.create_queue().queue_name("delivery").send().await.unwrap().queue_url.unwrap();
    let count = async || {
        let attributes = account.sqs.get_queue_attributes().queue_url(&queue);
        let attributes = attributes.attribute_names(QueueAttributeName::ApproximateNumberOfMessages);
        let attributes = attributes.send().await.unwrap().attributes.unwrap();
        attributes[&QueueAttributeName::ApproximateNumberOfMessages].parse::<u32>().unwrap()
    };
    let file = folder("resume").join("point.json");
    let path = format!("s3://{}/", account.bucket);
    // Each of these days is listed on its own. The queue rejects all messages after the fifth.
    let period = ["--since", "2026-11-10", "--until", "2026-11-20", "--rate", "100000"];
    let arguments = |queue| {
        let resume = ["--queue", queue, "--resume", file.to_str().unwrap()];
        [&["enqueue", &path], &period[..], &resume].concat().into_iter().map(str::to_owned).collect::<Vec<_>>()
    };
    let arguments = arguments(queue.as_str());
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let wire = Wire::new(&account.endpoint, |seen| {
        let rejection = r#"{"__type":"com.amazonaws.sqs#KmsAccessDenied","message":"no key"}"#;
        if seen.operation == "SendMessageBatch" && seen.number > 5 {
            Fault::Answer(400, rejection)
        } else {
            Fault::None
        }
    });
    let stopped = run(command_in(&account, &wire.endpoint, &arguments));
    assert_eq!(stopped.status, Some(2));
    assert!(stopped.stderr.contains("5 log files sent to the queue"), "{}", stopped.stderr);
    assert!(
        stopped.stderr.contains("2026/11/14/") && stopped.stderr.contains("run the same command to continue after it"),
        "{}",
        stopped.stderr
    );
    assert!(
        stopped.stderr.contains("cannot send to the queue ") && stopped.stderr.contains("no key"),
        "{}",
        stopped.stderr
    );
    assert_eq!(count().await, 5);

    let rest = scan_in(&account, &arguments);
    // The first run has named a log file that is not sent.
    assert_eq!(rest.status, Some(2), "{}", rest.stderr);
    assert!(rest.stderr.starts_with("5 log files sent to the queue"), "{}", rest.stderr);
    assert_eq!(count().await, 10);
    let point: Value = serde_json::from_str(&fs::read_to_string(&file).unwrap()).unwrap();
    assert_eq!(point["sent"], 10);
    // A finished job does not look for later keys, and its file cannot be used for another job.
    let again = scan_in(&account, &arguments);
    assert!(again.stderr.contains("belongs to a finished job") && again.status == Some(2), "{}", again.stderr);
    let file = file.to_str().unwrap();
    for other in [["--queue", "other", "--since", "2026-11-10"], ["--queue", &queue, "--since", "2026-11-01"]] {
        let other = scan_in(&account, &[&["enqueue", &path, "--resume", file], &other[..]].concat());
        assert!(other.stderr.contains("belongs to another job") && other.status == Some(2), "{}", other.stderr);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_resume_file_of_another_job_is_rejected_with_the_options_of_its_job() {
    let account = Account::new().await;
    // A key without a date is in every period.
    account.put("x.json.gz", stored(&[json!({})])).await;
    let queue = account.sqs.create_queue().queue_name("delivery").send().await.unwrap().queue_url.unwrap();
    let file = folder("resume-of-another-job").join("run.us");
    let file = file.to_str().unwrap();
    let path = format!("s3://{}/", account.bucket);
    let since = |when| scan_in(&account, &["enqueue", &path, "--queue", &queue, "--since", when, "--resume", file]);
    assert_eq!(since("7d").status, Some(0));
    let other = since("8d");
    let options = format!("{path} --queue {queue} --since 7d");
    let expected = format!("error: {file} belongs to another job ({options}); use another file name.\n");
    assert_eq!((other.stderr, other.status), (expected, Some(2)));
}

#[tokio::test(flavor = "multi_thread")]
async fn enqueue_names_emptied_log_files_and_sends_no_other_account() {
    let account = Account::new().await;
    put_archive(&account).await;
    account.put(&key_of("123456789012", "2026/11/24", "emptied"), Vec::new()).await;
    // With this many objects next to its folders, everything in AWSLogs is listed flat.
    for number in 0..1001 {
        account.put(&format!("AWSLogs/{number:05}.txt"), b"x".to_vec()).await;
    }
    let queue = account.sqs.create_queue().queue_name("delivery").send().await.unwrap().queue_url.unwrap();
    let path = format!("s3://{}/AWSLogs/", account.bucket);
    let period = ["--account", "210987654321", "--since", "2026-11-24", "--rate", "100000"];
    let sent = scan_in(&account, &[&["enqueue", &path, "--queue", &queue], &period[..]].concat());
    // The account of the loose objects is unknown, so they are sent.
    assert!(sent.stderr.starts_with("1,002 log files sent to the queue"), "{}", sent.stderr);
    assert_eq!(sent.status, Some(0), "{}", sent.stderr);
    let path = format!("s3://{}/AWSLogs/123456789012/", account.bucket);
    let sent = scan_in(&account, &["enqueue", &path, "--queue", &queue, "--rate", "100000"]);
    assert!(sent.stderr.contains("2 log files sent to the queue"), "{}", sent.stderr);
    assert!(
        sent.stderr.contains("emptied.json.gz is empty, and was not sent.") && sent.status == Some(2),
        "{}",
        sent.stderr
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn enqueue_obeys_its_rate() {
    let account = Account::new().await;
    for number in 0..30 {
        account.put(&key_of("123456789012", "2026/11/24", &format!("{number:02}")), stored(&[json!({})])).await;
    }
    let queue = account.sqs.create_queue().queue_name("delivery").send().await.unwrap().queue_url.unwrap();
    let wire = Wire::new(&account.endpoint, |_| Fault::None);
    let path = format!("s3://{}/", account.bucket);
    let arguments = ["enqueue", &path, "--queue", &queue, "--rate", "20"];
    let started = Instant::now();
    assert_eq!(run(command_in(&account, &wire.endpoint, &arguments)).status, Some(0));
    let sent = wire.seen("SendMessageBatch");
    assert_eq!(sent.len(), 3);
    // Ten messages every half second, the first ones at once.
    assert!(sent[2].at - started >= Duration::from_secs(1));
}
