//! TP-Protocol-Identifier (3GPP TS 23.040, 9.2.3.9).

/// One TP-PID octet (TS 23.040, 9.2.3.9), any value.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub struct ProtocolIdentifier(pub u8);

/// What the octet asks for.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Protocol {
    /// 000xxxxx: no interworking, SME-to-SME protocol with this number, 0 to 31.
    SmeToSme(u8),
    /// 001xxxxx: telematic interworking with this type of device, 0 to 31.
    Telematic(u8),
    /// 40: short message type 0, acknowledged but not shown.
    TypeZero,
    /// 41 to 47: replaces an earlier message of the same type, 1 to 7.
    Replace(u8),
    /// 48: device triggering short message.
    DeviceTriggering,
    /// 5E: enhanced message service, obsolete.
    EnhancedMessage,
    /// 5F: return call message.
    ReturnCall,
    /// 7C: ANSI-136 R-DATA.
    Ansi136,
    /// 7D: ME data download.
    MeDataDownload,
    /// 7E: ME de-personalization.
    MeDepersonalization,
    /// 7F: (U)SIM data download.
    SimDataDownload,
    /// Left open by the standard; a service centre may read it as 00.
    Reserved,
    /// 11xxxxxx: specific to the service centre.
    ServiceCentreSpecific,
}

impl ProtocolIdentifier {
    /// What the octet asks for.
    pub const fn protocol(self) -> Protocol {
        match self.0 {
            0x00..=0x1f => Protocol::SmeToSme(self.0),
            0x20..=0x3f => Protocol::Telematic(self.0 & 0x1f),
            0x40 => Protocol::TypeZero,
            0x41..=0x47 => Protocol::Replace(self.0 & 7),
            0x48 => Protocol::DeviceTriggering,
            0x5e => Protocol::EnhancedMessage,
            0x5f => Protocol::ReturnCall,
            0x7c => Protocol::Ansi136,
            0x7d => Protocol::MeDataDownload,
            0x7e => Protocol::MeDepersonalization,
            0x7f => Protocol::SimDataDownload,
            0xc0.. => Protocol::ServiceCentreSpecific,
            _ => Protocol::Reserved,
        }
    }

    /// One phrase for people.
    pub const fn meaning(self) -> &'static str {
        match self.protocol() {
            Protocol::SmeToSme(0) => "default store and forward short message",
            Protocol::SmeToSme(_) => "no telematic interworking, SME-to-SME protocol",
            Protocol::Telematic(device) => telematic_device(device),
            Protocol::TypeZero => "short message type 0",
            Protocol::Replace(1) => "replace short message type 1",
            Protocol::Replace(2) => "replace short message type 2",
            Protocol::Replace(3) => "replace short message type 3",
            Protocol::Replace(4) => "replace short message type 4",
            Protocol::Replace(5) => "replace short message type 5",
            Protocol::Replace(6) => "replace short message type 6",
            Protocol::Replace(_) => "replace short message type 7",
            Protocol::DeviceTriggering => "device triggering short message",
            Protocol::EnhancedMessage => "enhanced message service (obsolete)",
            Protocol::ReturnCall => "return call message",
            Protocol::Ansi136 => "ANSI-136 R-DATA",
            Protocol::MeDataDownload => "ME data download",
            Protocol::MeDepersonalization => "ME de-personalization short message",
            Protocol::SimDataDownload => "(U)SIM data download",
            Protocol::Reserved => "reserved",
            Protocol::ServiceCentreSpecific => "assigned by the SC",
        }
    }
}

const fn telematic_device(device: u8) -> &'static str {
    match device {
        0x00 => "telematic interworking, implicit device",
        0x01 => "telex",
        0x02 => "group 3 telefax",
        0x03 => "group 4 telefax",
        0x04 => "voice telephone",
        0x05 => "ERMES",
        0x06 => "national paging system",
        0x07 => "videotex (T.100/T.101)",
        0x08 => "teletex, carrier unspecified",
        0x09 => "teletex, in PSPDN",
        0x0a => "teletex, in CSPDN",
        0x0b => "teletex, in analog PSTN",
        0x0c => "teletex, in digital ISDN",
        0x0d => "UCI (universal computer interface)",
        0x10 => "message handling facility",
        0x11 => "public X.400-based message handling system",
        0x12 => "Internet electronic mail",
        0x18..=0x1e => "telematic device specific to the SC",
        0x1f => "GSM/UMTS mobile station",
        _ => "telematic interworking, reserved device",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    //= TS 23.040 9.2.3.9
    #[test]
    fn every_octet_has_a_meaning() {
        assert_eq!(ProtocolIdentifier(0x00).protocol(), Protocol::SmeToSme(0));
        assert_eq!(ProtocolIdentifier(0x32).meaning(), "Internet electronic mail");
        assert_eq!(ProtocolIdentifier(0x41).protocol(), Protocol::Replace(1));
        assert_eq!(ProtocolIdentifier(0x7f).protocol(), Protocol::SimDataDownload);
        assert_eq!(ProtocolIdentifier(0x9f).protocol(), Protocol::Reserved);
        assert_eq!(ProtocolIdentifier(0xc0).protocol(), Protocol::ServiceCentreSpecific);
        assert!((0..=255).all(|octet| !ProtocolIdentifier(octet).meaning().is_empty()));
    }
}
