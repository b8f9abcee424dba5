//! Looks over a page's markup as somebody does who cannot see it: names, labels, order, one main
//! part; and that nothing of it is script or style.

use std::collections::BTreeSet;

/// Tags that have no end.
const VOID: [&str; 6] = ["meta", "link", "input", "br", "hr", "img"];

/// A tag with its attributes.
#[derive(Clone, Debug)]
pub struct Tag {
    /// Its name; that of an end begins with a slash.
    pub name: String,
    attributes: Vec<(String, String)>,
    /// Where the text behind it begins.
    end: usize,
}

impl Tag {
    /// The value of an attribute; empty where it has none.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.attributes.iter().find(|(other, _)| other == name).map(|(_, value)| value.as_str())
    }
}

/// All tags of a page, in order.
pub fn tags(page: &str) -> Vec<Tag> {
    let mut found = Vec::new();
    let mut at = 0;
    while let Some(from) = page[at..].find('<').map(|from| at + from) {
        let mut quoted = false;
        let length = page[from..].char_indices().find(|(_, letter)| {
            quoted ^= *letter == '"';
            *letter == '>' && !quoted
        });
        let Some((length, _)) = length else { break };
        at = from + length + 1;
        found.push(tag(&page[from + 1..from + length], at));
    }
    found
}

fn tag(text: &str, end: usize) -> Tag {
    let (name, mut rest) = text.split_once(char::is_whitespace).unwrap_or((text, ""));
    let mut attributes = Vec::new();
    while !rest.trim_start().is_empty() {
        rest = rest.trim_start();
        let stop = rest.find(|letter: char| letter == '=' || letter.is_whitespace());
        let (name, after) = rest.split_at(stop.unwrap_or(rest.len()));
        let value = after.strip_prefix("=\"").and_then(|value| value.split_once('"'));
        let (value, left) = value.unwrap_or(("", after));
        attributes.push((name.to_owned(), value.to_owned()));
        rest = left;
    }
    Tag { name: name.to_lowercase(), attributes, end }
}

/// The text between a tag and its end, without other tags.
fn text_of(page: &str, tags: &[Tag], at: usize) -> String {
    let (mut depth, mut text) = (1, String::new());
    for pair in tags[at..].windows(2) {
        let piece = &page[pair[0].end..];
        text += piece.split('<').next().unwrap_or_default();
        let name = &tags[at].name;
        depth += i32::from(pair[1].name == *name);
        depth -= i32::from(pair[1].name == format!("/{name}"));
        if depth == 0 {
            break;
        }
    }
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// What is amiss with a page, a sentence each.
pub fn faults(page: &str) -> Vec<String> {
    let tags = tags(page);
    let mut faults = Vec::new();
    let mut ids = BTreeSet::new();
    let labels: BTreeSet<&str> =
        tags.iter().filter(|tag| tag.name == "label").filter_map(|tag| tag.get("for")).collect();
    for (at, tag) in tags.iter().enumerate() {
        for (name, _) in &tag.attributes {
            if name == "style" || name.starts_with("on") {
                faults.push(format!("{} has {name}", tag.name));
            }
        }
        if let Some(id) = tag.get("id")
            && !ids.insert(id)
        {
            faults.push(format!("two things are called {id}"));
        }
        let text = || text_of(page, &tags, at);
        let named = tag.get("aria-label").is_some_and(|name| !name.is_empty());
        match tag.name.as_str() {
            "script" | "style" if tag.get("src").is_none() => {
                faults.push(format!("{} stands in the page", tag.name));
            }
            "html" if tag.get("lang").is_none() => faults.push("the page has no language".into()),
            "input" | "select" | "textarea" if tag.get("type") != Some("hidden") => {
                let is_labelled = tag.get("id").is_some_and(|id| labels.contains(id));
                if !is_labelled && !named {
                    faults.push(format!("{} {:?} has no label", tag.name, tag.get("name")));
                }
            }
            "a" | "button" | "h1" | "h2" | "h3" | "summary" | "caption" | "title"
                if text().is_empty() && !named =>
            {
                faults.push(format!("{} number {at} says nothing", tag.name));
            }
            "svg" if !named && tag.get("aria-hidden").is_none() => {
                faults.push("a picture has no name".into());
            }
            "nav" if !named => faults.push("a nav has no name".into()),
            "th" if tag.get("scope").is_none() => faults.push("a th has no scope".into()),
            "table" if tags.get(at + 1).is_none_or(|next| next.name != "caption") => {
                faults.push("a table has no caption".into());
            }
            _ => {}
        }
        if let Some(of) = tag.get("aria-describedby").or_else(|| tag.get("aria-labelledby"))
            && !page.contains(&format!("id=\"{of}\""))
        {
            faults.push(format!("nothing is called {of}"));
        }
    }
    for once in ["main", "h1", "title", "header"] {
        let count = tags.iter().filter(|tag| tag.name == once).count();
        if count != 1 {
            faults.push(format!("the page has {count} of {once}"));
        }
    }
    faults.extend(heading_faults(&tags));
    faults.extend(nesting_faults(&tags));
    faults
}

/// Headings go down one step at a time.
fn heading_faults(tags: &[Tag]) -> Vec<String> {
    let levels = tags.iter().filter_map(|tag| match tag.name.as_str() {
        "h1" => Some(1),
        "h2" => Some(2),
        "h3" => Some(3),
        _ => None,
    });
    let levels: Vec<u8> = levels.collect();
    let skips = levels.windows(2).filter(|pair| pair[1] > pair[0] + 1);
    skips.map(|pair| format!("an h{} follows an h{}", pair[1], pair[0])).collect()
}

/// Every tag ends where it has to.
fn nesting_faults(tags: &[Tag]) -> Vec<String> {
    let mut open: Vec<&str> = Vec::new();
    for tag in tags {
        let name = tag.name.as_str();
        match name.strip_prefix('/') {
            _ if name.starts_with('!') || VOID.contains(&name) => {}
            None => open.push(name),
            Some(ended) => {
                if open.pop() != Some(ended) {
                    return vec![format!("/{ended} ends what has not begun")];
                }
            }
        }
    }
    open.into_iter().map(|name| format!("{name} has no end")).collect()
}
