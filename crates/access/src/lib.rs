//! Who is it, and may they: credentials of clients and of services.

pub mod api_key;
mod claims;
pub mod token;
