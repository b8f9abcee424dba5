//! Content and coding as options: of messages, and of the reports that may carry some.

use std::io::Read;

use super::super::input::text_of;
use super::{line_of, octet_of, octets_of};
use wire::sms::coding_scheme::CodingScheme;
use wire::sms::limits::{CONCATENATED_SEGMENTS_MAX, USER_DATA_OCTETS_MAX};
use wire::sms::protocol_identifier::ProtocolIdentifier;
use wire::sms::segment::{Content, Fragments, PlanOptions, Rules, plan_by_rules};
use wire::sms::tpdu::{Parameters, Tpdu};
use wire::sms::user_data::UserData;

/// Content and coding of a short message.
#[derive(Clone, Debug, Default, clap::Args)]
pub(super) struct ContentArguments {
    /// The text, `-` for standard input, or octets in hexadecimal with --octets.
    pub(super) data: String,
    /// The content is octets for a device, not text.
    #[arg(long)]
    pub(super) octets: bool,
    /// TP-PID in hexadecimal.
    #[arg(long, value_parser = octet_of, default_value = "00")]
    pub(super) pid: u8,
    /// TP-DCS in hexadecimal, instead of the cheapest alphabet.
    #[arg(long, value_parser = octet_of)]
    pub(super) dcs: Option<u8>,
    /// A user data header in hexadecimal, its length octet first, that every segment carries.
    #[arg(long, default_value = "")]
    pub(super) udh: String,
    /// Allow national language tables.
    #[arg(long)]
    pub(super) national: bool,
    /// The concatenation reference, below 256 unless it is wide.
    #[arg(long, default_value_t = 0)]
    pub(super) reference: u16,
    /// Use a 16-bit concatenation reference.
    #[arg(long)]
    pub(super) wide_reference: bool,
}

impl ContentArguments {
    /// One line of hexadecimal for every segment, `prefix` before it. `make` gets the segment's
    /// number from 0, whether more follow, and its user data.
    pub(super) fn segments(
        &self,
        input: impl Read,
        prefix: &str,
        make: impl for<'d> Fn(u8, bool, UserData<'d>) -> Tpdu<'d>,
    ) -> Result<String, String> {
        let client_udh = octets_of(&self.udh)?;
        let data = text_of(&self.data, input)?;
        let octets = if self.octets { octets_of(&data)? } else { Vec::new() };
        let content = if self.octets { Content::Octets(&octets) } else { Content::Text(&data) };
        let options =
            PlanOptions { client_udh: &client_udh, dcs: self.dcs, national: self.national };
        if !self.wide_reference && self.reference > u16::from(u8::MAX) {
            return Err(format!("a reference of {} needs --wide-reference", self.reference));
        }
        let rules = Rules {
            wide_reference: self.wide_reference,
            segments_max: CONCATENATED_SEGMENTS_MAX,
            empty: true,
            ..Rules::gateway(self.national)
        };
        let plan = plan_by_rules(content, &options, &rules).map_err(|error| error.to_string())?;
        let mut fragments = Fragments::new(&plan, content, &options, self.reference);
        let mut buffer = [0; USER_DATA_OCTETS_MAX];
        let mut lines = String::new();
        while let Some(fragment) = fragments.write_next(&mut buffer) {
            let user_data = UserData {
                coding_scheme: CodingScheme(plan.dcs()),
                header_indicated: plan.header_octets() > 0,
                length: fragment.user_data_length,
                octets: &buffer[..usize::from(fragment.octets)],
            };
            let more = fragment.sequence < plan.segments();
            lines.push_str(prefix);
            lines.push_str(&line_of(&make(fragment.sequence - 1, more, user_data))?);
        }
        Ok(lines)
    }
}

/// What a report may carry behind TP-PI.
#[derive(Clone, Debug, Default, clap::Args)]
pub(super) struct OptionalArguments {
    /// TP-PID in hexadecimal.
    #[arg(long, value_parser = octet_of)]
    pub(super) pid: Option<u8>,
    /// TP-DCS in hexadecimal; without it the user data is in the GSM 7-bit default alphabet.
    #[arg(long, value_parser = octet_of)]
    pub(super) dcs: Option<u8>,
    /// TP-UD: a text that one report holds.
    #[arg(long, conflicts_with = "octets")]
    pub(super) text: Option<String>,
    /// TP-UD: octets in hexadecimal, with a TP-DCS of 8-bit data.
    #[arg(long)]
    pub(super) octets: Option<String>,
    /// A user data header in hexadecimal, its length octet first.
    #[arg(long, default_value = "")]
    pub(super) udh: String,
}

impl OptionalArguments {
    /// Hands the parameters to `finish`.
    pub(super) fn with_parameters<T>(
        &self,
        finish: impl FnOnce(Parameters<'_>) -> Result<T, String>,
    ) -> Result<T, String> {
        let parameters = Parameters {
            protocol_identifier: self.pid.map(ProtocolIdentifier),
            coding_scheme: self.dcs.map(CodingScheme),
            ..Parameters::default()
        };
        let octets = self.octets.as_deref().map(octets_of).transpose()?;
        let content = match (&self.text, &octets) {
            (Some(text), _) => Content::Text(text),
            (None, Some(octets)) => Content::Octets(octets),
            (None, None) if self.udh.is_empty() => return finish(parameters),
            (None, None) => return Err("a user data header needs --text or --octets".to_owned()),
        };
        let client_udh = octets_of(&self.udh)?;
        // Without TP-DCS a receiver takes the user data for the default alphabet.
        let options = PlanOptions {
            client_udh: &client_udh,
            dcs: Some(self.dcs.unwrap_or_default()),
            national: false,
        };
        let rules = Rules { empty: true, ..Rules::plain(1) };
        let plan = plan_by_rules(content, &options, &rules).map_err(|error| error.to_string())?;
        let mut buffer = [0; USER_DATA_OCTETS_MAX];
        let fragment = Fragments::new(&plan, content, &options, 0).write_next(&mut buffer);
        let fragment = fragment.ok_or("the user data has no segment")?;
        let user_data = UserData {
            coding_scheme: CodingScheme(plan.dcs()),
            header_indicated: plan.header_octets() > 0,
            length: fragment.user_data_length,
            octets: &buffer[..usize::from(fragment.octets)],
        };
        finish(Parameters { user_data: Some(user_data), ..parameters })
    }
}
