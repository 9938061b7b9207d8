//! What did a key do? Records and identities → calls, where each identity came from, and what it left behind.
//!
//! 1. [`identity`] parses what is traced: access keys, users, roles and sessions.
//! 2. [`edges`] finds credentials and users that an identity got or made, and [`identities`] follows them to any depth.
//! 3. [`call`] reads what the report needs of a record by a traced identity.
//! 4. [`left_behind`] is the table of what outlives a key, and of what undoes it.
//! 5. [`calls`] keeps the calls, many of them in temporary files, and [`report`] counts them.
//!
//! The command line reads the archive twice, once for 2 and once for the rest.

pub mod call;
pub mod calls;
pub mod edges;
pub mod identities;
pub mod identity;
pub mod left_behind;
pub mod report;
mod sorted;
