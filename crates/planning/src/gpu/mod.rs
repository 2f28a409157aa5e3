//! Which accelerators serve a model, how many, and who shares one.
//!
//! [`memory`] says what a model needs, and [`fit`] what a replica of it takes as it is served; [`mix`] buys whole accelerators for the cheapest cover of a load split by request size;
//! [`pack`] puts jobs onto machines; [`share`] says how several may use one accelerator. How fast a model runs on each type
//! is measured elsewhere and given here.

pub mod fit;
pub mod memory;
pub mod mix;
pub mod pack;
pub mod share;

pub use fit::ServingMemory;
pub use memory::{ModelShape, Precision};
pub use mix::{Accelerator, Mix, MixError, cheapest_mix};
pub use pack::{Item, Machine, PackError, Packing, pack};
pub use share::{Partition, ShareError, Tenant, share};
