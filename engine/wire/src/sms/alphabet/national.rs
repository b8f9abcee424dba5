//! The national language tables of 3GPP TS 23.038, annexes A.2 (single shift) and A.3 (locking
//! shift), in a compact source form.
//!
//! A table is written as runs: `0xSS_CCCC_NN` puts the `NN` characters from U+`CCCC` on at the
//! septets from `SS` on. Turkish, Spanish and Portuguese lie over the GSM 7-bit default alphabet
//! and its extension table; the languages of India lie over what their tables have in common.

// The groups are septet, character and count.
#![allow(clippy::unusual_byte_groupings)]

use crate::sms::alphabet::default::{DEFAULT, EXTENSION, Table, overlay};

/// The locking shift table of language `number`, 1 to 13. Spanish has none of its own and uses the
/// default.
pub(super) const LOCKING: [Table; 14] = [
    DEFAULT,
    overlay(DEFAULT, &[TURKISH_LOCKING]),
    DEFAULT,
    overlay(DEFAULT, &[PORTUGUESE_LOCKING]),
    overlay([0; 128], &[INDIC_LOCKING, BENGALI_LOCKING]),
    overlay([0; 128], &[INDIC_LOCKING, GUJARATI_LOCKING]),
    overlay([0; 128], &[INDIC_LOCKING, HINDI_LOCKING]),
    overlay([0; 128], &[INDIC_LOCKING, KANNADA_LOCKING]),
    overlay([0; 128], &[INDIC_LOCKING, MALAYALAM_LOCKING]),
    overlay([0; 128], &[INDIC_LOCKING, ORIYA_LOCKING]),
    overlay([0; 128], &[INDIC_LOCKING, PUNJABI_LOCKING]),
    overlay([0; 128], &[INDIC_LOCKING, TAMIL_LOCKING]),
    overlay([0; 128], &[INDIC_LOCKING, TELUGU_LOCKING]),
    overlay([0; 128], &[INDIC_LOCKING, URDU_LOCKING]),
];

/// The single shift table of language `number`, 1 to 13; at 0 the default extension table.
pub(super) const SINGLE: [Table; 14] = [
    EXTENSION,
    overlay(EXTENSION, &[TURKISH_SINGLE]),
    overlay(EXTENSION, &[SPANISH_SINGLE]),
    overlay(EXTENSION, &[PORTUGUESE_SINGLE]),
    overlay([0; 128], &[INDIC_SINGLE, BENGALI_SINGLE]),
    overlay([0; 128], &[INDIC_SINGLE, GUJARATI_SINGLE]),
    overlay([0; 128], &[INDIC_SINGLE, HINDI_SINGLE]),
    overlay([0; 128], &[INDIC_SINGLE, KANNADA_SINGLE]),
    overlay([0; 128], &[INDIC_SINGLE, MALAYALAM_SINGLE]),
    overlay([0; 128], &[INDIC_SINGLE, ORIYA_SINGLE]),
    overlay([0; 128], &[INDIC_SINGLE, PUNJABI_SINGLE]),
    overlay([0; 128], &[INDIC_SINGLE, TAMIL_SINGLE]),
    overlay([0; 128], &[INDIC_SINGLE, TELUGU_SINGLE]),
    overlay([0; 128], &[INDIC_SINGLE, URDU_SINGLE]),
];

/// What the locking shift tables of languages 4 to 13 have in common.
#[rustfmt::skip]
const INDIC_LOCKING: &[u32] = &[
    0x0a_000a_01, 0x0d_000d_01, 0x20_0020_02, 0x28_0029_01, 0x29_0028_01, 0x2c_002c_01,
    0x2e_002e_01, 0x30_0030_0c, 0x3f_003f_01, 0x61_0061_1a,
];

/// What the single shift tables of languages 4 to 13 have in common.
#[rustfmt::skip]
const INDIC_SINGLE: &[u32] = &[
    0x00_0040_01, 0x01_00a3_01, 0x02_0024_01, 0x03_00a5_01, 0x04_00bf_01, 0x05_0022_01,
    0x06_00a4_01, 0x07_0025_03, 0x0a_000c_01, 0x0b_002a_02, 0x0e_002d_01, 0x0f_002f_01,
    0x10_003c_03, 0x13_00a1_01, 0x14_005e_01, 0x15_00a1_01, 0x16_005f_01, 0x17_0023_01,
    0x18_002a_01, 0x28_007b_01, 0x29_007d_01, 0x2f_005c_01, 0x3c_005b_01, 0x3d_007e_01,
    0x3e_005d_01, 0x40_007c_01, 0x41_0041_1a, 0x65_20ac_01,
];

/// Language 1, locking shift table (A.3.1).
#[rustfmt::skip]
const TURKISH_LOCKING: &[u32] = &[
    0x04_20ac_01, 0x07_0131_01, 0x0b_011e_02, 0x1c_015e_02, 0x40_0130_01, 0x60_00e7_01,
];

/// Language 1, single shift table (A.2.1).
#[rustfmt::skip]
const TURKISH_SINGLE: &[u32] = &[
    0x47_011e_01, 0x49_0130_01, 0x53_015e_01, 0x63_00e7_01, 0x67_011f_01, 0x69_0131_01,
    0x73_015f_01,
];

/// Language 2, single shift table (A.2.2).
#[rustfmt::skip]
const SPANISH_SINGLE: &[u32] = &[
    0x09_00e7_01, 0x41_00c1_01, 0x49_00cd_01, 0x4f_00d3_01, 0x55_00da_01, 0x61_00e1_01,
    0x69_00ed_01, 0x6f_00f3_01, 0x75_00fa_01,
];

/// Language 3, locking shift table (A.3.3).
#[rustfmt::skip]
const PORTUGUESE_LOCKING: &[u32] = &[
    0x04_00ea_01, 0x06_00fa_01, 0x07_00ed_01, 0x08_00f3_01, 0x09_00e7_01, 0x0b_00d4_01,
    0x0c_00f4_01, 0x0e_00c1_01, 0x0f_00e1_01, 0x12_00aa_01, 0x13_00c7_01, 0x14_00c0_01,
    0x15_221e_01, 0x16_005e_01, 0x17_005c_01, 0x18_20ac_01, 0x19_00d3_01, 0x1a_007c_01,
    0x1c_00c2_01, 0x1d_00e2_01, 0x1e_00ca_01, 0x24_00ba_01, 0x40_00cd_01, 0x5b_00c3_01,
    0x5c_00d5_01, 0x5d_00da_01, 0x60_007e_01, 0x7b_00e3_01, 0x7c_00f5_01, 0x7d_0060_01,
];

/// Language 3, single shift table (A.2.3).
#[rustfmt::skip]
const PORTUGUESE_SINGLE: &[u32] = &[
    0x05_00ea_01, 0x09_00e7_01, 0x0b_00d4_01, 0x0c_00f4_01, 0x0e_00c1_01, 0x0f_00e1_01,
    0x12_03a6_01, 0x13_0393_01, 0x15_03a9_01, 0x16_03a0_01, 0x17_03a8_01, 0x18_03a3_01,
    0x19_0398_01, 0x1f_00ca_01, 0x41_00c0_01, 0x49_00cd_01, 0x4f_00d3_01, 0x55_00da_01,
    0x5b_00c3_01, 0x5c_00d5_01, 0x61_00c2_01, 0x69_00ed_01, 0x6f_00f3_01, 0x75_00fa_01,
    0x7b_00e3_01, 0x7c_00f5_01, 0x7f_00e2_01,
];

/// Language 4, locking shift table (A.3.4).
#[rustfmt::skip]
const BENGALI_LOCKING: &[u32] = &[
    0x00_0981_03, 0x03_0985_07, 0x0b_098c_01, 0x0f_098f_02, 0x13_0993_08, 0x1c_099b_04,
    0x22_099f_06, 0x2a_09a5_02, 0x2d_09a7_01, 0x2f_09a8_01, 0x3d_09aa_02, 0x40_09ac_05,
    0x46_09b2_01, 0x4a_09b6_04, 0x4e_09bc_09, 0x59_09c7_02, 0x5d_09cb_04, 0x7b_09d7_01,
    0x7c_09dc_02, 0x7e_09f0_02,
];

/// Language 4, single shift table (A.2.4).
#[rustfmt::skip]
const BENGALI_SINGLE: &[u32] = &[
    0x19_09e6_02, 0x1c_09e8_08, 0x24_09df_04, 0x2a_09e3_01, 0x2b_09f2_04, 0x30_09f6_05,
];

/// Language 5, locking shift table (A.3.5).
#[rustfmt::skip]
const GUJARATI_LOCKING: &[u32] = &[
    0x00_0a81_03, 0x03_0a85_07, 0x0b_0a8c_02, 0x0f_0a8f_03, 0x13_0a93_08, 0x1c_0a9b_04,
    0x22_0a9f_06, 0x2a_0aa5_02, 0x2d_0aa7_01, 0x2f_0aa8_01, 0x3d_0aaa_02, 0x40_0aac_05,
    0x46_0ab2_02, 0x49_0ab5_05, 0x4e_0abc_0a, 0x59_0ac7_03, 0x5d_0acb_03, 0x60_0ad0_01,
    0x7b_0ae0_04, 0x7f_0af1_01,
];

/// Language 5, single shift table (A.2.5).
#[rustfmt::skip]
const GUJARATI_SINGLE: &[u32] = &[
    0x19_0964_02, 0x1c_0ae6_0a,
];

/// Language 6, locking shift table (A.3.6).
#[rustfmt::skip]
const HINDI_LOCKING: &[u32] = &[
    0x00_0901_03, 0x03_0905_07, 0x0b_090c_02, 0x0e_090e_0d, 0x1c_091b_04, 0x22_091f_06,
    0x2a_0925_02, 0x2d_0927_01, 0x2f_0928_01, 0x3c_0929_03, 0x40_092c_0e, 0x4e_093c_12,
    0x60_0950_01, 0x7b_0972_01, 0x7c_097b_02, 0x7e_097e_02,
];

/// Language 6, single shift table (A.2.6).
#[rustfmt::skip]
const HINDI_SINGLE: &[u32] = &[
    0x19_0964_02, 0x1c_0966_0a, 0x26_0951_02, 0x2a_0953_02, 0x2c_0958_03, 0x30_095b_09,
    0x39_0970_02,
];

/// Language 7, locking shift table (A.3.7).
#[rustfmt::skip]
const KANNADA_LOCKING: &[u32] = &[
    0x01_0c82_02, 0x03_0c85_07, 0x0b_0c8c_01, 0x0e_0c8e_03, 0x12_0c92_09, 0x1c_0c9b_04,
    0x22_0c9f_06, 0x2a_0ca5_02, 0x2d_0ca7_01, 0x2f_0ca8_01, 0x3d_0caa_02, 0x40_0cac_08,
    0x49_0cb5_05, 0x4e_0cbc_09, 0x58_0cc6_03, 0x5c_0cca_04, 0x60_0cd5_01, 0x7b_0cd6_01,
    0x7c_0ce0_04,
];

/// Language 7, single shift table (A.2.7).
#[rustfmt::skip]
const KANNADA_SINGLE: &[u32] = &[
    0x19_0964_02, 0x1c_0ce6_0a, 0x26_0cde_01, 0x27_0cf1_01, 0x2a_0cf2_01,
];

/// Language 8, locking shift table (A.3.8).
#[rustfmt::skip]
const MALAYALAM_LOCKING: &[u32] = &[
    0x01_0d02_02, 0x03_0d05_07, 0x0b_0d0c_01, 0x0e_0d0e_03, 0x12_0d12_09, 0x1c_0d1b_04,
    0x22_0d1f_06, 0x2a_0d25_02, 0x2d_0d27_01, 0x2f_0d28_01, 0x3d_0d2a_02, 0x40_0d2c_0e,
    0x4f_0d3d_08, 0x58_0d46_03, 0x5c_0d4a_04, 0x60_0d57_01, 0x7b_0d60_04, 0x7f_0d79_01,
];

/// Language 8, single shift table (A.2.8).
#[rustfmt::skip]
const MALAYALAM_SINGLE: &[u32] = &[
    0x19_0964_02, 0x1c_0d66_0c, 0x2a_0d72_04, 0x2e_0d7a_01, 0x30_0d7b_05,
];

/// Language 9, locking shift table (A.3.9).
#[rustfmt::skip]
const ORIYA_LOCKING: &[u32] = &[
    0x00_0b01_03, 0x03_0b05_07, 0x0b_0b0c_01, 0x0f_0b0f_02, 0x13_0b13_08, 0x1c_0b1b_04,
    0x22_0b1f_06, 0x2a_0b25_02, 0x2d_0b27_01, 0x2f_0b28_01, 0x3d_0b2a_02, 0x40_0b2c_05,
    0x46_0b32_02, 0x49_0b35_05, 0x4e_0b3c_09, 0x59_0b47_02, 0x5d_0b4b_03, 0x60_0b56_01,
    0x7b_0b57_01, 0x7c_0b60_04,
];

/// Language 9, single shift table (A.2.9).
#[rustfmt::skip]
const ORIYA_SINGLE: &[u32] = &[
    0x19_0964_02, 0x1c_0b66_0a, 0x26_0b5c_02, 0x2a_0b5f_01, 0x2b_0b70_02,
];

/// Language 10, locking shift table (A.3.10).
#[rustfmt::skip]
const PUNJABI_LOCKING: &[u32] = &[
    0x00_0a01_03, 0x03_0a05_06, 0x0f_0a0f_02, 0x13_0a13_08, 0x1c_0a1b_04, 0x22_0a1f_06,
    0x2a_0a25_02, 0x2d_0a27_01, 0x2f_0a28_01, 0x3d_0a2a_02, 0x40_0a2c_05, 0x46_0a32_02,
    0x49_0a35_02, 0x4c_0a38_02, 0x4e_0a3c_01, 0x50_0a3e_05, 0x59_0a47_02, 0x5d_0a4b_03,
    0x60_0a51_01, 0x7b_0a70_05,
];

/// Language 10, single shift table (A.2.10).
#[rustfmt::skip]
const PUNJABI_SINGLE: &[u32] = &[
    0x19_0964_02, 0x1c_0a66_0a, 0x26_0a59_02, 0x2a_0a5b_02, 0x2c_0a5e_01, 0x2d_0a75_01,
];

/// Language 11, locking shift table (A.3.11).
#[rustfmt::skip]
const TAMIL_LOCKING: &[u32] = &[
    0x01_0b82_02, 0x03_0b85_06, 0x0e_0b8e_03, 0x12_0b92_04, 0x19_0b99_02, 0x1d_0b9c_01,
    0x1f_0b9e_01, 0x22_0b9f_01, 0x26_0ba3_02, 0x2f_0ba8_01, 0x3c_0ba9_02, 0x42_0bae_0c,
    0x50_0bbe_05, 0x58_0bc6_03, 0x5c_0bca_04, 0x60_0bd0_01, 0x7b_0bd7_01, 0x7c_0bf0_03,
    0x7f_0bf9_01,
];

/// Language 11, single shift table (A.2.11).
#[rustfmt::skip]
const TAMIL_SINGLE: &[u32] = &[
    0x19_0964_02, 0x1c_0be6_0a, 0x26_0bf3_02, 0x2a_0bf5_04, 0x2e_0bfa_01,
];

/// Language 12, locking shift table (A.3.12).
#[rustfmt::skip]
const TELUGU_LOCKING: &[u32] = &[
    0x00_0c01_03, 0x03_0c05_07, 0x0b_0c0c_01, 0x0e_0c0e_03, 0x12_0c12_09, 0x1c_0c1b_04,
    0x22_0c1f_06, 0x2a_0c25_02, 0x2d_0c27_01, 0x2f_0c28_01, 0x3d_0c2a_02, 0x40_0c2c_08,
    0x49_0c35_05, 0x4f_0c3d_08, 0x58_0c46_03, 0x5c_0c4a_04, 0x60_0c55_01, 0x7b_0c56_01,
    0x7c_0c60_04,
];

/// Language 12, single shift table (A.2.12).
#[rustfmt::skip]
const TELUGU_SINGLE: &[u32] = &[
    0x1c_0c66_0a, 0x26_0c58_02, 0x2a_0c78_05, 0x30_0c7d_03,
];

/// Language 13, locking shift table (A.3.13).
#[rustfmt::skip]
const URDU_LOCKING: &[u32] = &[
    0x00_0627_01, 0x01_0622_01, 0x02_0628_01, 0x03_067b_01, 0x04_0680_01, 0x05_067e_01,
    0x06_06a6_01, 0x07_062a_01, 0x08_06c2_01, 0x09_067f_01, 0x0b_0679_01, 0x0c_067d_01,
    0x0e_067a_01, 0x0f_067c_01, 0x10_062b_02, 0x12_0681_01, 0x13_0684_01, 0x14_0683_01,
    0x15_0685_03, 0x18_062d_03, 0x1c_068c_01, 0x1d_0688_03, 0x22_068f_01, 0x23_068d_01,
    0x24_0630_02, 0x26_0691_01, 0x27_0693_01, 0x2a_0699_01, 0x2b_0632_01, 0x2d_0696_01,
    0x2f_0698_01, 0x3c_069a_01, 0x3d_0633_02, 0x40_0635_05, 0x45_0641_02, 0x47_06a9_03,
    0x4a_06af_01, 0x4b_06b3_01, 0x4c_06b1_01, 0x4d_0644_03, 0x50_06ba_03, 0x53_0648_01,
    0x54_06c4_01, 0x55_06d5_01, 0x56_06c1_01, 0x57_06be_01, 0x58_0621_01, 0x59_06cc_01,
    0x5a_06d0_01, 0x5b_06d2_01, 0x5c_064d_01, 0x5d_0650_01, 0x5e_064f_01, 0x5f_0657_01,
    0x60_0654_01, 0x7b_0655_01, 0x7c_0651_01, 0x7d_0653_01, 0x7e_0656_01, 0x7f_0670_01,
];

/// Language 13, single shift table (A.2.13).
#[rustfmt::skip]
const URDU_SINGLE: &[u32] = &[
    0x19_0600_02, 0x1c_06f0_0a, 0x26_060c_02, 0x2a_060e_05, 0x30_0613_02, 0x32_061b_01,
    0x33_061f_01, 0x34_0640_01, 0x35_0652_01, 0x36_0658_01, 0x37_066b_02, 0x39_0672_02,
    0x3b_06cd_01, 0x3f_06d4_01,
];
