//! The header of a recipients' file: the separator, and which column is what.

/// Names of the column with the number.
const MSN: [&str; 5] = ["msn", "phone", "tel", "電話番号", "携帯番号"];
const AREA: [&str; 2] = ["area", "市区町村コード"];
const LANGUAGE: [&str; 2] = ["lang", "言語"];
const SEPARATORS: [u8; 3] = [b',', b';', b'\t'];

/// Whether a column of this name is the number, the area or the language: no parameter's.
pub fn is_own_column(name: &str) -> bool {
    let known = MSN.iter().chain(&AREA).chain(&LANGUAGE);
    known.into_iter().any(|known| name.eq_ignore_ascii_case(known))
}

/// Why a file's first line is no header.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum HeaderError {
    /// No column of numbers.
    #[error(
        "line 1 names no column of numbers (it is {0:?}): begin the file with a header such as \
         msn,area,lang"
    )]
    NoNumbers(String),
    /// It is written in other octets than was said.
    #[error(
        "line 1 cannot be read as it was said that the file is written: name its charset, as \
         --charset shift_jis for one of Excel in Japan"
    )]
    OtherCharset,
    /// A column stands there twice.
    #[error("line 1 names {0:?} twice: which of the columns counts cannot be told")]
    Twice(String),
}

/// Where things stand in a record.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Columns {
    pub(super) separator: u8,
    pub(super) msn: usize,
    pub(super) area: Option<usize>,
    pub(super) language: Option<usize>,
    /// For each parameter of the list, its column.
    pub(super) parameters: Vec<Option<usize>>,
    pub(super) count: usize,
    pub(super) ignored: Vec<String>,
}

impl Columns {
    /// Reads a header; `parameters` are the names of the list's.
    pub(super) fn read(header: &str, parameters: &[String]) -> Result<Self, HeaderError> {
        let has_numbers = |separator: &u8| {
            fields(header, *separator)
                .any(|name| MSN.iter().any(|known| name.eq_ignore_ascii_case(known)))
        };
        let separator = SEPARATORS.into_iter().find(has_numbers).ok_or_else(|| {
            const SHOWN_CHARACTERS_MAX: usize = 60;
            if header.contains(char::REPLACEMENT_CHARACTER) {
                return HeaderError::OtherCharset;
            }
            HeaderError::NoNumbers(header.chars().take(SHOWN_CHARACTERS_MAX).collect())
        })?;
        let names: Vec<&str> = fields(header, separator).collect();
        let mut columns = Self {
            separator,
            msn: 0,
            area: None,
            language: None,
            parameters: vec![None; parameters.len()],
            count: names.len(),
            ignored: Vec::new(),
        };
        let mut msn = None;
        for (at, name) in names.iter().enumerate() {
            let is_one_of =
                |known: &[&str]| known.iter().any(|known| name.eq_ignore_ascii_case(known));
            let parameter = parameters.iter().position(|known| known == name);
            let place = match parameter {
                Some(parameter) => &mut columns.parameters[parameter],
                None if is_one_of(&MSN) => &mut msn,
                None if is_one_of(&AREA) => &mut columns.area,
                None if is_one_of(&LANGUAGE) => &mut columns.language,
                None => {
                    columns.ignored.push((*name).to_owned());
                    continue;
                }
            };
            if place.replace(at).is_some() {
                return Err(HeaderError::Twice((*name).to_owned()));
            }
        }
        columns.msn = msn.ok_or_else(|| HeaderError::NoNumbers(header.to_owned()))?;
        Ok(columns)
    }

    /// Whether a canonical line is a number, then the area if there is one, then the language if
    /// there is one, and nothing else.
    pub(super) fn is_canonical(&self) -> bool {
        let area = self.area.map_or(0, |_| 1);
        self.msn == 0
            && self.area.is_none_or(|at| at == 1)
            && self.language.is_none_or(|at| at == 1 + area)
            && self.count == 1 + area + usize::from(self.language.is_some())
            && self.parameters.iter().all(Option::is_none)
    }
}

/// The names of a header, without blanks and quotes round them.
fn fields(header: &str, separator: u8) -> impl Iterator<Item = &str> {
    header.split(char::from(separator)).map(|name| {
        let name = name.trim();
        let bare = name.strip_prefix('"').and_then(|rest| rest.strip_suffix('"'));
        bare.map_or(name, str::trim)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_header_tells_the_separator_and_the_columns_in_any_order() {
        let none: [String; 0] = [];
        let plain = Columns::read("msn,area,lang", &none).expect("a header");
        assert!(plain.is_canonical());
        assert_eq!((plain.separator, plain.area, plain.language), (b',', Some(1), Some(2)));
        let semicolons =
            Columns::read("言語;\"電話番号\" ;市区町村コード; 備考", &none).expect("a header");
        assert_eq!((semicolons.separator, semicolons.msn, semicolons.area), (b';', 1, Some(2)));
        assert_eq!(
            (semicolons.language, semicolons.ignored.as_slice()),
            (Some(0), &["備考".to_owned()][..])
        );
        assert!(!semicolons.is_canonical());
        let tabs = Columns::read("Tel\tnote, more", &none).expect("a header");
        assert_eq!((tabs.separator, tabs.count), (b'\t', 2));
        let named = Columns::read("msn,shelter", &["room".to_owned(), "shelter".to_owned()])
            .expect("a header");
        assert_eq!(named.parameters, [None, Some(1)]);
        assert!(Columns::read("msn", &none).expect("a header").is_canonical());
        assert!(Columns::read("msn,lang", &none).expect("a header").is_canonical());
    }

    #[test]
    fn a_first_line_that_is_no_header_is_refused() {
        let none: [String; 0] = [];
        for wrong in ["", "07098765432,20422", "name,area", "msnx"] {
            assert!(
                matches!(Columns::read(wrong, &none), Err(HeaderError::NoNumbers(_))),
                "{wrong}"
            );
        }
        assert_eq!(Columns::read("msn,phone", &none), Err(HeaderError::Twice("phone".to_owned())));
        assert_eq!(
            Columns::read("msn,area,area", &none),
            Err(HeaderError::Twice("area".to_owned()))
        );
    }
}
