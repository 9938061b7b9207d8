//! AWS behind HTTPS, with a root that Amazon's certificates do not lead to: that of a proxy that inspects traffic, say.

use std::{net::SocketAddr, path::PathBuf, sync::Arc};

use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use tempfile::TempDir;
use tokio::{
    io::copy_bidirectional,
    net::{TcpListener, TcpStream},
};
use tokio_rustls::{
    TlsAcceptor,
    rustls::{ServerConfig, crypto::ring},
};

use crate::support::{Function, LogLine, event, failed_items, local_aws::Account, put_log_files};

/// HTTPS before a server, and the file with its root.
struct Proxy {
    endpoint: String,
    root: PathBuf,
    _folder: TempDir,
}

impl Proxy {
    async fn before(server: &str) -> Proxy {
        let mut params = CertificateParams::new([]).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        let root = params.self_signed(&key).unwrap();
        let issuer = Issuer::new(params, key);
        let key = KeyPair::generate().unwrap();
        let certificate = CertificateParams::new(["localhost".into()]).unwrap().signed_by(&key, &issuer).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("root.pem");
        std::fs::write(&path, root.pem()).unwrap();

        let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![certificate.der().clone()], key.into())
            .unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let server: SocketAddr = server.strip_prefix("http://").unwrap().parse().unwrap();
        tokio::spawn(serve(listener, TlsAcceptor::from(Arc::new(config)), server));
        Proxy { endpoint: format!("https://localhost:{port}"), root: path, _folder: folder }
    }
}

async fn serve(listener: TcpListener, acceptor: TlsAcceptor, server: SocketAddr) {
    while let Ok((stream, _)) = listener.accept().await {
        let acceptor = acceptor.clone();
        tokio::spawn(async move {
            // A client that does not know the root leaves here.
            let Ok(mut client) = acceptor.accept(stream).await else { return };
            let mut server = TcpStream::connect(server).await.unwrap();
            // Either side may close it.
            let _ = copy_bidirectional(&mut client, &mut server).await;
        });
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_root_that_only_the_machine_knows_is_trusted() {
    let account = Account::new().await;
    put_log_files(&account, &["quarantined"]).await;
    let proxy = Proxy::before(&account.endpoint).await;
    let root = proxy.root.to_str().unwrap();
    let mut function = Function::start_with(&account, &proxy.endpoint, &[("SSL_CERT_FILE", root)]);
    assert!(failed_items(&function.invoke(&event("sqs-s3-object-created", &account)).unwrap()).is_empty());
    account.alerts(1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_root_that_nobody_knows_is_not_trusted() {
    let account = Account::new().await;
    put_log_files(&account, &["quarantined"]).await;
    let proxy = Proxy::before(&account.endpoint).await;
    let mut function = Function::start_with(&account, &proxy.endpoint, &[]);
    assert_eq!(failed_items(&function.invoke(&event("sqs-s3-object-created", &account)).unwrap()).len(), 1);
    account.alerts(0).await;
    let log = function.log();
    let reasons: Vec<&str> = log.iter().map(LogLine::message).filter(|line| line.contains("certificate")).collect();
    assert!(reasons.iter().any(|line| line.contains("UnknownIssuer")), "{log:#?}");
}
