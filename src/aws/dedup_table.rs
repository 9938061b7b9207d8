//! The documents of deduplication, in DynamoDB: one item per entity, changed by compare-and-swap.

use std::sync::LazyLock;

use aws_sdk_dynamodb::{
    Client,
    config::{Builder, http::HttpResponse},
    error::{ProvideErrorMetadata, SdkError},
    types::AttributeValue,
};

use super::{OnFirstMatch, SdkConfig, explain, timeouts};
use crate::{config::TableName, dedup::Document};

/// The table of deduplication documents.
pub struct DedupTable {
    dynamodb: OnFirstMatch<Client>,
    name: TableName,
}

/// Why the table could not be used.
#[derive(Debug, thiserror::Error)]
#[error(
    "cannot use the dedup table {table} ({reason}); check that it exists and that the role or user in use has \
     dynamodb:GetItem and dynamodb:PutItem on it"
)]
pub struct TableError {
    table: TableName,
    reason: String,
}

impl DedupTable {
    pub fn new(sdk: &SdkConfig, name: TableName) -> DedupTable {
        let config = Builder::from(sdk).timeout_config(timeouts(1, 3));
        let client = || Client::from_conf(config.build());
        DedupTable { dynamodb: LazyLock::new(Box::new(client)), name }
    }

    /// # Errors
    /// The table cannot be read, or the item is not a document.
    pub async fn load(&self, entity: &str) -> Result<Document, TableError> {
        let key = AttributeValue::S(entity.to_owned());
        let request =
            self.dynamodb.get_item().table_name(self.name.to_string()).key("dedup_key", key).consistent_read(true);
        match request.send().await.map_err(|error| self.sdk_error(&error))?.item {
            None => Ok(Document::unknown(entity)),
            Some(item) => serde_dynamo::from_item(item).map_err(|error| self.error(error.to_string())),
        }
    }

    /// Stores the successor of the loaded document. `false` if another process has changed it meanwhile.
    ///
    /// # Errors
    /// The table could not be written, or did not confirm the write.
    pub async fn store(&self, document: &Document) -> Result<bool, TableError> {
        let item = serde_dynamo::to_item(document).map_err(|error| self.error(error.to_string()))?;
        let loaded = document.version - 1;
        let request = self.dynamodb.put_item().table_name(self.name.to_string()).set_item(Some(item));
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

    /// The table did not answer within the time of a claim.
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
