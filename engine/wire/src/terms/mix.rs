//! A mix of 64 bits, for tables whose keys nobody chooses to harm them.

/// A 64-bit finaliser (two multiply-xorshift rounds): every input bit reaches every output bit.
pub fn mix(value: u64) -> u64 {
    let value = (value ^ (value >> 32)).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    let value = (value ^ (value >> 29)).wrapping_mul(0xD6E8_FEB8_6659_FD93);
    value ^ (value >> 32)
}
