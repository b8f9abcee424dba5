//! The four-digit result codes of the push-client interface and the HTTP status that goes with
//! each.

/// A result code: what a push client reads in `<code>`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Code(u16);

macro_rules! codes {
    ($($name:ident $number:literal $status:literal $meaning:literal;)*) => {
        impl Code {
            $(#[doc = $meaning] pub const $name: Self = Self($number);)*

            /// Every code there is, in ascending order.
            pub const ALL: &'static [Self] = &[$(Self::$name),*];

            /// The HTTP status of a response that carries this code; 0 for codes that only a
            /// notification carries.
            pub fn http_status(self) -> u16 {
                match self.0 { $($number => $status,)* _ => 500 }
            }

            /// One phrase for logs and the operator.
            pub fn meaning(self) -> &'static str {
                match self.0 { $($number => $meaning,)* _ => "unknown code" }
            }
        }
    };
}

//= push code table
codes! {
    ACCEPTED 0 200 "accepted; delivered or withdrawn";
    REPEATED 1 200 "identical repeat: accepted earlier, nothing sent again";
    ALERT_KNOWN 2 200 "this alertid and alertseq was already accepted for this msn";
    REPLACED 11 0 "replaced by a higher alertseq";
    CANCELLED_IN_PART 12 0 "cancelled in part";
    NOT_FLAT_FORM 1001 400 "not the flat form";
    ELEMENT_MISSING 1002 400 "element missing";
    BAD_VALUE 1003 400 "bad value";
    UNKNOWN_FNCID 1004 400 "unknown fncid";
    UNKNOWN_COMWAY 1005 400 "unknown comway";
    UNKNOWN_ELEMENT 1006 400 "repeated or unknown element";
    NOT_UTF8 1007 400 "not UTF-8";
    MEDIA_TYPE 1008 415 "media type";
    NO_CONTENT_LENGTH 1009 411 "no Content-Length";
    TOO_LARGE 1010 413 "over 16 KiB";
    PATH_OR_METHOD 1011 404 "path or method";
    NOT_AUTHENTICATED 2001 401 "client not authenticated";
    NOT_REGISTERED 2002 403 "svcid not registered";
    NOT_THIS_CLIENTS 2003 403 "svcid not this client's";
    SUSPENDED_CLIENT 2004 403 "svcid suspended or outside its term";
    NOT_CONTRACTED 2005 403 "msn not contracted";
    NOT_ALLOWED 2006 403 "class, kind or sender not allowed";
    VOLUME_USED_UP 2007 403 "volume used up";
    REQID_REUSED 3001 409 "reqid reused with other content";
    PUSH_NOT_FOUND 3002 404 "push not found";
    ALREADY_DELIVERED 3003 409 "already delivered";
    ALREADY_CANCELLED 3004 409 "already cancelled";
    ALREADY_ENDED 3005 409 "already ended otherwise";
    TOO_MANY_SEGMENTS 4001 422 "over 10 segments";
    SEGMENTATION_OFF 4002 422 "needs segmentation, the XPID has it off";
    DATA_EMPTY 4003 422 "data empty";
    NOT_EVEN_HEX 4004 422 "not even hex";
    NO_ALPHABET 4005 422 "character no alphabet carries";
    BAD_UDH 4006 422 "bad udh";
    BAD_DCS 4007 422 "bad dcs";
    ALREADY_EXPIRED 4008 422 "already expired";
    LINE_SUSPENDED 5001 0 "line suspended";
    SPAM_BLOCK 5002 0 "spam block";
    USAGE_LIMIT 5003 0 "usage limit";
    PACKET_ROAMING_OUT 5004 0 "packet roaming-out";
    INTERNATIONAL_ROAMING 5005 0 "international roaming";
    EXPIRED 6001 0 "expired";
    UNKNOWN_SUBSCRIBER 6002 0 "unknown subscriber";
    BARRED 6003 0 "barred or not provisioned";
    ILLEGAL 6004 0 "illegal or not SMS capable";
    PROTOCOL_ERROR 6005 0 "protocol error";
    EXPIRED_ABSENT 6006 0 "expired absent";
    EXPIRED_MEMORY_FULL 6007 0 "expired memory full";
    EXPIRED_BUSY 6008 0 "expired busy or failing";
    SINGLE_TRY_FAILED 6009 0 "single try failed";
    WITHDRAWN_BY_OPERATOR 6010 0 "withdrawn by operator";
    PARTIAL 6011 0 "partial";
    CARRIER_FAILED 6012 0 "the carrier could not deliver";
    NO_RECEIPT 6013 0 "no receipt came from the carrier";
    PARKED 6101 0 "notification parked for the operator to replay";
    RATE 8001 429 "the XPID's rate";
    OVERLOAD 8002 503 "overload";
    STORAGE_FULL 8003 503 "storage full";
    PAUSED 8004 503 "paused";
    TOO_MANY_WAITING 8005 429 "too many waiting for this msn";
    INTERNAL 9001 500 "internal";
    NOT_DURABLE 9002 500 "could not be made durable";
}

impl Code {
    /// The code with this number, 0 to 9999, if the interface has it.
    pub fn from_number(number: u16) -> Option<Self> {
        Self::ALL.binary_search(&Self(number)).ok().map(|at| Self::ALL[at])
    }

    /// Reads exactly four digits.
    pub fn parse(text: &[u8]) -> Option<Self> {
        let digits: [u8; 4] = text.try_into().ok()?;
        let mut number = 0u16;
        for digit in digits {
            if !digit.is_ascii_digit() {
                return None;
            }
            number = number * 10 + u16::from(digit - b'0');
        }
        Self::from_number(number)
    }

    /// The number, below 10,000.
    pub fn number(self) -> u16 {
        self.0
    }

    /// The four digits as the wire carries them.
    pub fn digits(self) -> [u8; 4] {
        let number = self.0;
        [number / 1000, number / 100 % 10, number / 10 % 10, number % 10].map(|d| b'0' + d as u8)
    }
}

impl std::fmt::Debug for Code {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "{:04} {}", self.0, self.meaning())
    }
}

impl std::fmt::Display for Code {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "{:04}", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_ascending_and_parse_back() {
        assert!(Code::ALL.windows(2).all(|pair| pair[0] < pair[1]));
        for &code in Code::ALL {
            assert_eq!(Code::parse(&code.digits()), Some(code));
        }
        assert_eq!(Code::parse(b"0003"), None);
        assert_eq!(Code::parse(b"000"), None);
    }
}
