//! One module per subcommand.

pub mod enqueue;
pub mod explain;
pub mod find;
pub mod generated;
pub mod replay;
pub mod rules;
pub mod trace;
