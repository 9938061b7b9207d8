//! The documents of deduplication, in DynamoDB: one item per dedup key, changed by compare-and-swap.

use std::sync::LazyLock;

use aws_config::SdkConfig;
use aws_sdk_dynamodb::{
    Client,
    config::{Builder, http::HttpResponse},
    error::{ProvideErrorMetadata, SdkError},
    types::AttributeValue,
};

use super::{OnFirstMatch, explain, timeouts};
use crate::dedup::Document;

pub struct DedupTable {
    dynamodb: OnFirstMatch<Client>,
    name: String,
}

#[derive(Debug, thiserror::Error)]
#[error(
    "the dedup table {table} cannot be used ({reason}); it must exist, and the identity in use needs dynamodb:GetItem and dynamodb:PutItem on it"
)]
pub struct TableError {
    table: String,
    reason: String,
}

impl DedupTable {
    pub fn new(sdk: &SdkConfig, name: &str) -> DedupTable {
        let config = Builder::from(sdk).timeout_config(timeouts(1, 3));
        let client = || Client::from_conf(config.build());
        DedupTable { dynamodb: LazyLock::new(Box::new(client)), name: name.to_owned() }
    }

    /// # Errors
    /// The table cannot be read, or holds something else than a document.
    pub async fn load(&self, dedup_key: &str) -> Result<Document, TableError> {
        let key = AttributeValue::S(dedup_key.to_owned());
        let request = self.dynamodb.get_item().table_name(&self.name).key("dedup_key", key).consistent_read(true);
        match request.send().await.map_err(|error| self.sdk_error(&error))?.item {
            None => Ok(Document::unknown(dedup_key)),
            Some(item) => serde_dynamo::from_item(item).map_err(|error| self.error(error.to_string())),
        }
    }

    /// Stores a document that was made of the one loaded; `false` if another has changed it in between.
    ///
    /// # Errors
    /// The table cannot be written. It may have been all the same.
    pub async fn store(&self, document: &Document) -> Result<bool, TableError> {
        let item = serde_dynamo::to_item(document).map_err(|error| self.error(error.to_string()))?;
        let loaded = document.version - 1;
        let request = self.dynamodb.put_item().table_name(&self.name).set_item(Some(item));
        let request = if loaded == 0 {
            request.condition_expression("attribute_not_exists(dedup_key)")
        } else {
            request
                .condition_expression("#version = :loaded")
                .expression_attribute_names("#version", "version")
                .expression_attribute_values(":loaded", AttributeValue::N(loaded.to_string()))
        };
        match request.send().await {
            Ok(_) => Ok(true),
            Err(error) if error.code() == Some("ConditionalCheckFailedException") => Ok(false),
            Err(error) => Err(self.sdk_error(&error)),
        }
    }

    /// The table took longer than a claim may.
    pub fn too_slow(&self) -> TableError {
        self.error("it did not answer in time".into())
    }

    fn sdk_error<E>(&self, error: &SdkError<E, HttpResponse>) -> TableError
    where
        E: std::error::Error + ProvideErrorMetadata + 'static,
    {
        self.error(explain(error))
    }

    fn error(&self, reason: String) -> TableError {
        TableError { table: self.name.clone(), reason }
    }
}
