//! What one replica of a model takes to serve: its weights, the keys and values of every sequence that it serves at once,
//! and what the runtime needs beside them.
//!
//! The model service makes the whole cache when it starts, one window a slot, so what is asked for is what is taken. Where
//! the model file does not say what decides the cache, only the weights are counted, and that is said.

use std::fmt;

use super::memory::USABLE_PERCENT;
use crate::constraint::gibi;

/// Memory of one replica.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ServingMemory {
    /// Bytes of the weights: those of the model file.
    pub weight_bytes: u64,
    /// Bytes of keys and values, all sequences together; nothing when the file does not say.
    pub cache_bytes: Option<u64>,
    /// Tokens of one sequence.
    pub context_tokens: u32,
    /// Sequences at once.
    pub slots: u32,
}

impl ServingMemory {
    /// The memory of a replica that serves `slots` sequences of `context_tokens` at once.
    #[must_use]
    pub const fn new(weight_bytes: u64, cache_bytes_per_token: Option<u64>, context_tokens: u32, slots: u32) -> Self {
        let cache_bytes = match cache_bytes_per_token {
            Some(bytes) => Some(bytes.saturating_mul(context_tokens as u64).saturating_mul(slots as u64)),
            None => None,
        };
        Self { weight_bytes, cache_bytes, context_tokens, slots }
    }

    /// Bytes for activations, buffers and fragmentation: a tenth of the whole, the share that [`super::ModelShape::fits`]
    /// leaves free too.
    #[must_use]
    pub const fn runtime_bytes(&self) -> u64 {
        let held = self.held_bytes();
        (held / USABLE_PERCENT).saturating_mul(100 - USABLE_PERCENT)
    }

    /// All of it.
    #[must_use]
    pub const fn total_bytes(&self) -> u64 {
        self.held_bytes().saturating_add(self.runtime_bytes())
    }

    const fn held_bytes(&self) -> u64 {
        match self.cache_bytes {
            Some(cache) => self.weight_bytes.saturating_add(cache),
            None => self.weight_bytes,
        }
    }
}

/// Its parts: `weights 4.1Gi + KV cache 1.0Gi (8192 tokens × 4 at once) + runtime 0.6Gi`.
impl fmt::Display for ServingMemory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = |bytes: u64| gibi(bytes as f64);
        write!(f, "weights {}", shown(self.weight_bytes))?;
        match self.cache_bytes {
            Some(bytes) => {
                let (tokens, slots) = (self.context_tokens, self.slots);
                write!(f, " + KV cache {} ({tokens} tokens × {slots} at once)", shown(bytes))?;
            }
            None => f.write_str(" + a KV cache that the model file does not tell")?,
        }
        write!(f, " + runtime {}", shown(self.runtime_bytes()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gpu::{ModelShape, Precision};

    /// Llama 3.1 8B in four bits: 32 layers, 8 heads of keys and values, 128 wide.
    const EIGHT_B: ModelShape = ModelShape {
        parameters: 8_030_261_248,
        weights: Precision::FourBit,
        layers: 32,
        kv_heads: 8,
        head_width: 128,
        cache: Precision::Half,
    };

    #[test]
    fn says_what_it_is_made_of() {
        let token = Some(EIGHT_B.cache_bytes_per_token());
        let memory = ServingMemory::new(EIGHT_B.weight_bytes(), token, 8_192, 4);
        assert_eq!(memory.cache_bytes, Some(4 << 30), "128 KiB a token");
        let said = "weights 4.2Gi + KV cache 4.0Gi (8192 tokens × 4 at once) + runtime 934Mi";
        assert_eq!(memory.to_string(), said);
        let unknown = ServingMemory::new(EIGHT_B.weight_bytes(), None, 8_192, 4);
        assert!(unknown.total_bytes() < memory.total_bytes() && unknown.to_string().contains("does not tell"));
    }

    #[test]
    fn agrees_with_the_fit_on_an_accelerator() {
        for (context, slots) in [(512, 1), (8_192, 4), (131_072, 2)] {
            let memory =
                ServingMemory::new(EIGHT_B.weight_bytes(), Some(EIGHT_B.cache_bytes_per_token()), context, slots);
            // A few bytes are lost to whole numbers on either side.
            let (context, slots) = (u64::from(context), u64::from(slots));
            assert!(EIGHT_B.fits(memory.total_bytes() + 200, 1, context, slots));
            assert!(!EIGHT_B.fits(memory.total_bytes() - 200, 1, context, slots));
        }
    }

    #[test]
    fn absurd_sizes_do_not_wrap() {
        let memory = ServingMemory::new(u64::MAX, Some(u64::MAX), u32::MAX, u32::MAX);
        assert_eq!(memory.total_bytes(), u64::MAX);
    }
}
