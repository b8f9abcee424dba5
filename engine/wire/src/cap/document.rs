//! A document as a tree, and how its elements are asked for.

use roxmltree::{Document, Node, ParsingOptions};

use super::area::shown;
use super::limits::{NAME_CHARACTERS_MAX, NODES_MAX, TEXT_CHARACTERS_MAX};
use super::markup;
use super::refusal::WarningRefusal;

/// The tree of a text that [`markup::check`] lets through.
pub(super) fn parse(text: &str) -> Result<Document<'_>, WarningRefusal> {
    markup::check(text)?;
    let options = ParsingOptions { allow_dtd: false, nodes_limit: NODES_MAX, ..Default::default() };
    Document::parse_with_options(text, options).map_err(|error| match error {
        roxmltree::Error::NodesLimitReached => WarningRefusal::document(format!(
            "it has more than {NODES_MAX} elements and texts: send the warning alone"
        )),
        roxmltree::Error::UnknownEntityReference(name, at) => WarningRefusal::document(format!(
            "it uses the entity &{}; ({at}), which XML does not have: write the character itself",
            shown(&name)
        )),
        error => {
            WarningRefusal::document(format!("it is not well-formed XML ({error}): correct it"))
        }
    })
}

/// The elements of one namespace within another element.
#[derive(Clone, Copy)]
pub(super) struct Element<'a, 'input> {
    node: Node<'a, 'input>,
}

impl<'a, 'input> Element<'a, 'input> {
    pub(super) fn new(node: Node<'a, 'input>) -> Self {
        Self { node }
    }

    /// The elements of this name right within, in this element's namespace.
    pub(super) fn all(self, name: &'static str) -> impl Iterator<Item = Self> {
        self.children().filter(move |child| child.name() == name)
    }

    /// The elements right within that stand in this element's namespace.
    pub(super) fn children(self) -> impl Iterator<Item = Self> {
        let namespace = self.node.tag_name().namespace();
        let elements = self.node.children().filter(Node::is_element);
        elements.filter(move |child| child.tag_name().namespace() == namespace).map(Self::new)
    }

    /// The element right within that has this name in whatever namespace.
    pub(super) fn any(self, name: &str) -> Option<Self> {
        let mut elements = self.node.children().filter(Node::is_element);
        elements.find(|child| child.tag_name().name() == name).map(Self::new)
    }

    /// Its name.
    pub(super) fn name(self) -> &'a str {
        self.node.tag_name().name()
    }

    /// One of its attributes.
    pub(super) fn attribute(self, name: &str) -> Option<&'a str> {
        self.node.attribute(name)
    }

    /// The one element of this name, if it is there. Two of them are refused: which one counts?
    pub(super) fn one(
        self,
        name: &'static str,
        place: &str,
    ) -> Result<Option<Self>, WarningRefusal> {
        let mut found = self.all(name);
        let first = found.next();
        match found.next() {
            Some(_) => Err(WarningRefusal::alert(
                format!("{place}{name}"),
                "it stands there twice: send it with the one that counts",
            )),
            None => Ok(first),
        }
    }

    /// The text of the one element of this name, trimmed; empty where there is none.
    pub(super) fn text_of(self, name: &'static str, place: &str) -> Result<String, WarningRefusal> {
        let Some(element) = self.one(name, place)? else { return Ok(String::new()) };
        let text = element.text();
        let bound = if is_prose(name) { TEXT_CHARACTERS_MAX } else { NAME_CHARACTERS_MAX };
        if text.chars().nth(bound).is_some() {
            return Err(WarningRefusal::alert(
                format!("{place}{name}"),
                format!("it has more than {bound} characters: shorten it"),
            ));
        }
        Ok(text)
    }

    /// As [`Self::text_of`], refused where there is none.
    pub(super) fn required(
        self,
        name: &'static str,
        place: &str,
    ) -> Result<String, WarningRefusal> {
        let text = self.text_of(name, place)?;
        if text.is_empty() {
            return Err(WarningRefusal::alert(
                format!("{place}{name}"),
                "it is missing or empty: send it",
            ));
        }
        Ok(text)
    }

    /// All the text right within, trimmed.
    pub(super) fn text(self) -> String {
        let texts = self.node.children().filter(Node::is_text).filter_map(|text| text.text());
        texts.collect::<String>().trim().to_owned()
    }
}

/// Whether an element holds sentences and not a name.
fn is_prose(name: &str) -> bool {
    ["headline", "description", "instruction", "note", "Text", "references", "addresses"]
        .contains(&name)
}
