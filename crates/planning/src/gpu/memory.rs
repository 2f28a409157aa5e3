//! How much accelerator memory a model takes to serve.

/// Bytes that hold one number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Precision {
    /// 32 bits.
    Full,
    /// 16 bits.
    Half,
    /// 8 bits.
    Byte,
    /// 4 bits and, for each 32 of them, a 16-bit scale.
    FourBit,
}

impl Precision {
    /// Bits of one number, its share of the scale included.
    #[must_use]
    pub const fn half_bits(self) -> u64 {
        match self {
            Self::Full => 64,
            Self::Half => 32,
            Self::Byte => 16,
            Self::FourBit => 9,
        }
    }

    /// Bytes of `count` numbers, rounded up.
    #[must_use]
    pub const fn bytes(self, count: u64) -> u64 {
        let half_bits = (count as u128) * (self.half_bits() as u128);
        let bytes = half_bits.div_ceil(16);
        if bytes > u64::MAX as u128 { u64::MAX } else { bytes as u64 }
    }
}

/// The numbers of a decoder that decide its memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ModelShape {
    /// All parameters; for a mixture of experts all experts, since any may be called.
    pub parameters: u64,
    /// How the weights are held.
    pub weights: Precision,
    /// Layers that keep keys and values.
    pub layers: u64,
    /// Heads of keys and values (fewer than query heads where they are shared).
    pub kv_heads: u64,
    /// Width of a head.
    pub head_width: u64,
    /// How keys and values are held.
    pub cache: Precision,
}

/// Share of the memory that the runtime, activations and fragmentation are left: vLLM's `gpu_memory_utilization` is 0.9 by
/// default (<https://docs.vllm.ai/en/latest/configuration/engine_args.html>).
pub(super) const USABLE_PERCENT: u64 = 90;

impl ModelShape {
    /// Bytes of the weights.
    #[must_use]
    pub const fn weight_bytes(&self) -> u64 {
        self.weights.bytes(self.parameters)
    }

    /// Bytes of keys and values for one token: two tensors × layers × heads × width (Kwon and others, "Efficient memory
    /// management for large language model serving with PagedAttention", 2023, section 3).
    #[must_use]
    pub const fn cache_bytes_per_token(&self) -> u64 {
        let numbers = self.layers.saturating_mul(self.kv_heads).saturating_mul(self.head_width).saturating_mul(2);
        self.cache.bytes(numbers)
    }

    /// Bytes to serve `batch` sequences of `context` tokens at once.
    #[must_use]
    pub const fn serving_bytes(&self, context: u64, batch: u64) -> u64 {
        let cache = self.cache_bytes_per_token().saturating_mul(context).saturating_mul(batch);
        self.weight_bytes().saturating_add(cache)
    }

    /// Whether that fits on `devices` accelerators of `device_bytes` each, weights and heads split evenly between them. Heads
    /// are whole, so one device holds the share of the most heads.
    #[must_use]
    pub fn fits(&self, device_bytes: u64, devices: u64, context: u64, batch: u64) -> bool {
        self.largest_batch(device_bytes, devices, context) >= batch.max(1)
    }

    /// Most sequences of `context` tokens that fit at once; 0 when not even one does.
    #[must_use]
    pub fn largest_batch(&self, device_bytes: u64, devices: u64, context: u64) -> u64 {
        if devices == 0 || self.kv_heads == 0 {
            return 0;
        }
        let usable = u128::from(device_bytes) * u128::from(USABLE_PERCENT) / 100;
        let weights = u128::from(self.weight_bytes().div_ceil(devices));
        let heads = Self { kv_heads: self.kv_heads.div_ceil(devices), ..*self };
        let sequence = u128::from(heads.cache_bytes_per_token()) * u128::from(context.max(1));
        let batch = usable.saturating_sub(weights) / sequence.max(1);
        u64::try_from(batch).unwrap_or(u64::MAX)
    }
}
