//! What information elements and application ports are called.

/// The name that TS 23.040, 9.2.3.24, gives an information element identifier.
pub(super) fn name_of(identifier: u8) -> &'static str {
    match identifier {
        0x00 => "Concatenated short messages, 8-bit reference number",
        0x01 => "Special SMS Message Indication",
        0x04 => "Application port addressing scheme, 8 bit address",
        0x05 => "Application port addressing scheme, 16 bit address",
        0x06 => "SMSC Control Parameters",
        0x07 => "UDH Source Indicator",
        0x08 => "Concatenated short message, 16-bit reference number",
        0x09 => "Wireless Control Message Protocol",
        0x0a => "Text Formatting",
        0x0b => "Predefined Sound",
        0x0c => "User Defined Sound (iMelody max 128 bytes)",
        0x0d => "Predefined Animation",
        0x0e => "Large Animation (16*16 times 4 = 32*4 =128 bytes)",
        0x0f => "Small Animation (8*8 times 4 = 8*4 =32 bytes)",
        0x10 => "Large Picture (32*32 = 128 bytes)",
        0x11 => "Small Picture (16*16 = 32 bytes)",
        0x12 => "Variable Picture",
        0x13 => "User prompt indicator",
        0x14 => "Extended Object",
        0x15 => "Reused Extended Object",
        0x16 => "Compression Control",
        0x17 => "Object Distribution Indicator",
        0x18 => "Standard WVG object",
        0x19 => "Character Size WVG object",
        0x1a => "Extended Object Data Request Command",
        0x20 => "RFC 5322 E-Mail Header",
        0x21 => "Hyperlink format element",
        0x22 => "Reply Address Element",
        0x23 => "Enhanced Voice Mail Information",
        0x24 => "National Language Single Shift",
        0x25 => "National Language Locking Shift",
        0x70..=0x7f => "(U)SIM Toolkit Security Headers",
        0x80..=0x9f => "SME to SME specific use",
        0xc0..=0xdf => "SC specific use",
        _ => "Reserved",
    }
}

/// What listens on a 16-bit application port by general agreement: those that IANA assigned to WAP,
/// and those of smart messaging. `None` for all others.
pub(crate) fn well_known_port(port: u16) -> Option<&'static str> {
    Some(match port {
        2805 => "WTA secure",
        2923 => "WTA",
        2948 => "WAP push",
        2949 => "WAP push secure",
        5505 => "ringing tone",
        5506 => "operator logo",
        5507 => "group logo",
        5514 => "multipart message",
        9200 => "WSP",
        9201 => "WSP with WTP",
        9202 => "WSP secure",
        9203 => "WSP with WTP, secure",
        9204 => "vCard",
        9205 => "vCalendar",
        9206 => "vCard secure",
        9207 => "vCalendar secure",
        _ => return None,
    })
}
