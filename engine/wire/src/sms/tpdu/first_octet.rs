//! The bits of a TPDU's first octet (3GPP TS 23.040, 9.2.3.1 to 9.2.3.5, 9.2.3.17, 9.2.3.23,
//! 9.2.3.25 to 9.2.3.28).

/// TP-MTI: bits 1 and 0 (TS 23.040, 9.2.3.1).
pub const TYPE_MASK: u8 = 0x03;
/// SMS-DELIVER, or SMS-DELIVER-REPORT from the terminal.
pub const DELIVER: u8 = 0x00;
/// SMS-SUBMIT, or SMS-SUBMIT-REPORT from the service centre.
pub const SUBMIT: u8 = 0x01;
/// SMS-STATUS-REPORT, or SMS-COMMAND from the terminal.
pub const STATUS_REPORT_TYPE: u8 = 0x02;
/// Reserved.
pub const RESERVED_TYPE: u8 = 0x03;
/// TP-MMS in SMS-DELIVER and SMS-STATUS-REPORT: set when no more messages wait (TS 23.040,
/// 9.2.3.2).
pub const NO_MORE_MESSAGES: u8 = 0x04;
/// TP-RD in SMS-SUBMIT (TS 23.040, 9.2.3.25).
pub const REJECT_DUPLICATES: u8 = 0x04;
/// TP-LP in SMS-DELIVER and SMS-STATUS-REPORT (TS 23.040, 9.2.3.28).
pub const LOOP_PREVENTION: u8 = 0x08;
/// TP-VPF in SMS-SUBMIT: bits 4 and 3 (TS 23.040, 9.2.3.3).
pub const VALIDITY_MASK: u8 = 0x18;
/// TP-VPF: enhanced.
pub const VALIDITY_ENHANCED: u8 = 0x08;
/// TP-VPF: relative.
pub const VALIDITY_RELATIVE: u8 = 0x10;
/// TP-VPF: absolute.
pub const VALIDITY_ABSOLUTE: u8 = 0x18;
/// TP-SRI in SMS-DELIVER, TP-SRR in SMS-SUBMIT and SMS-COMMAND, TP-SRQ in SMS-STATUS-REPORT.
pub const STATUS_REPORT: u8 = 0x20;
/// TP-UDHI (TS 23.040, 9.2.3.23).
pub const HEADER: u8 = 0x40;
/// TP-RP in SMS-DELIVER and SMS-SUBMIT (TS 23.040, 9.2.3.17).
pub const REPLY_PATH: u8 = 0x80;
