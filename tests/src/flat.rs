//! The flat form of the interface's bodies, read strictly as this engine has to write it: the
//! declaration and then one element a line, every line ended by CRLF.

/// The first line of every body.
pub const DECLARATION: &str = "<?xml version = \"1.0\" ?>\r\n";

/// A body's elements in their order.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Elements(pub Vec<(String, String)>);

impl Elements {
    /// Reads a body; what is not exactly the form is an error that names it.
    ///
    /// # Errors
    /// The first thing that is wrong.
    pub fn read(body: &[u8]) -> Result<Self, String> {
        let text = std::str::from_utf8(body).map_err(|error| format!("not UTF-8: {error}"))?;
        let mut rest =
            text.strip_prefix(DECLARATION).ok_or_else(|| format!("no declaration: {text:?}"))?;
        let mut elements = Vec::new();
        while !rest.is_empty() {
            let (line, after) =
                rest.split_once("\r\n").ok_or_else(|| format!("no CRLF after {rest:?}"))?;
            elements.push(element(line).ok_or_else(|| format!("no element: {line:?}"))?);
            rest = after;
        }
        Ok(Self(elements))
    }

    /// The names in their order.
    pub fn names(&self) -> Vec<&str> {
        self.0.iter().map(|(name, _)| name.as_str()).collect()
    }

    /// The text of the element with this name; empty when there is none.
    pub fn get(&self, name: &str) -> &str {
        self.find(name).unwrap_or_default()
    }

    /// The text of the element with this name, if there is one.
    pub fn find(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(known, _)| known == name).map(|(_, text)| text.as_str())
    }
}

fn element(line: &str) -> Option<(String, String)> {
    let (name, rest) = line.strip_prefix('<')?.split_once('>')?;
    let text = rest.strip_suffix('>')?.strip_suffix(name)?.strip_suffix("</")?;
    let is_flat = !text.contains(['<', '>']) && !name.is_empty();
    is_flat.then(|| (name.to_owned(), text.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_exact_form_is_read() {
        let body = format!("{DECLARATION}<msn>09012345678</msn>\r\n<code></code>\r\n");
        let elements = Elements::read(body.as_bytes()).expect("the form");
        assert_eq!(elements.names(), ["msn", "code"]);
        assert_eq!(
            (elements.get("msn"), elements.find("code"), elements.find("x")),
            ("09012345678", Some(""), None)
        );
        for wrong in [
            "<msn>1</msn>\r\n".to_owned(),
            format!("{DECLARATION}<msn>1</msn>\n"),
            format!("{DECLARATION}<msn>1</nsm>\r\n"),
            format!("{DECLARATION}<msn>1</msn>\r\n\r\n"),
            format!("{DECLARATION}<a><b>1</b></a>\r\n"),
        ] {
            assert!(Elements::read(wrong.as_bytes()).is_err(), "{wrong:?}");
        }
    }
}
