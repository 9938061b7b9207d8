//! HTTPS with Amazon's own roots, and with the machine's where those are not enough.
//!
//! Parsing the 150 roots of a machine takes longer than the rest of the function's start. The SDK does it twice, at the start and
//! in the first invocation, where a small function has a fraction of a core.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use aws_smithy_http_client::{
    Builder,
    tls::{Provider, TlsContext, TrustStore, rustls_provider::CryptoMode},
};
use aws_smithy_runtime_api::client::{
    http::{
        HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpClient, SharedHttpConnector,
    },
    orchestrator::HttpRequest,
    runtime_components::RuntimeComponents,
};

/// <https://www.amazontrust.com/repository/>
const AMAZON_ROOTS: &[u8] = include_bytes!("https/amazon-roots.pem");

/// A client that parses the machine's roots only if a connection fails with Amazon's: in a partition with other ones, behind a proxy
/// that inspects traffic, or on the day Amazon changes them.
#[derive(Clone, Debug)]
pub struct Https {
    amazon: SharedHttpClient,
    /// Trusts Amazon's roots too, so that a connection which failed for another reason loses nothing.
    machine: SharedHttpClient,
    needs_machine: Arc<AtomicBool>,
}

impl Https {
    pub fn new() -> Https {
        Https {
            amazon: client(TrustStore::empty()),
            machine: client(TrustStore::default()),
            needs_machine: Arc::default(),
        }
    }
}

fn client(roots: TrustStore) -> SharedHttpClient {
    let context = TlsContext::builder().with_trust_store(roots.with_pem_certificate(AMAZON_ROOTS)).build();
    // ring needs no more than a C compiler to build; aws-lc, the SDK's default, compiles for half a minute.
    let builder = Builder::new().tls_provider(Provider::Rustls(CryptoMode::Ring));
    match context {
        Ok(context) => builder.tls_context(context).build_https(),
        // The builder of a context has no error yet.
        Err(_) => builder.build_https(),
    }
}

impl HttpClient for Https {
    fn http_connector(&self, settings: &HttpConnectorSettings, components: &RuntimeComponents) -> SharedHttpConnector {
        let (settings, components) = (settings.clone(), components.clone());
        SharedHttpConnector::new(Connector { client: self.clone(), settings, components })
    }
}

#[derive(Debug)]
struct Connector {
    client: Https,
    settings: HttpConnectorSettings,
    components: RuntimeComponents,
}

impl HttpConnector for Connector {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let Https { amazon, machine, needs_machine } = self.client.clone();
        let connector = |client: &SharedHttpClient| client.http_connector(&self.settings, &self.components);
        if needs_machine.load(Ordering::Relaxed) {
            return connector(&machine).call(request);
        }
        let first = connector(&amazon);
        let Some(again) = request.try_clone().filter(|request| request.uri().starts_with("https:")) else {
            return first.call(request);
        };
        let (settings, components) = (self.settings.clone(), self.components.clone());
        HttpConnectorFuture::new(async move {
            match first.call(request).await {
                Err(error) if error.is_io() => {
                    needs_machine.store(true, Ordering::Relaxed);
                    machine.http_connector(&settings, &components).call(again).await
                }
                answer => answer,
            }
        })
    }
}
