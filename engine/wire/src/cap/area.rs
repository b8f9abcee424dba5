//! Where a warning holds: codes of areas, polygons and circles, checked and made comparable.

use std::collections::BTreeSet;

use serde::Serialize;

use super::limits::{CODES_MAX, CROSSINGS_TESTED_MAX, POINTS_MAX, SHAPES_MAX};
use crate::terms::municipality::Municipality;

/// Parts of a degree that a coordinate is counted in: about a centimetre.
const DEGREE: f64 = 1e7;

/// Who gave an area its code.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize)]
pub enum AreaSystem {
    /// Japanese municipalities and prefectures, five digits.
    #[serde(rename = "JIS X 0402")]
    JisX0402,
    /// JMA's coasts of tsunami warnings, three digits.
    #[serde(rename = "JMA tsunami")]
    JmaTsunami,
    /// JMA's areas of earthquakes, three digits.
    #[serde(rename = "JMA earthquake")]
    JmaEarthquake,
    /// JMA's municipalities, seven digits.
    #[serde(rename = "JMA municipality")]
    JmaMunicipality,
    /// Canadian locations.
    #[serde(rename = "CAP-CP Location")]
    CapCpLocation,
    /// Counties of the United States, six digits.
    #[serde(rename = "SAME")]
    Same,
    /// The same, under another name.
    #[serde(rename = "FIPS6")]
    Fips6,
    /// Zones and counties of the US weather service.
    #[serde(rename = "UGC")]
    Ugc,
    /// MeteoAlarm's areas.
    #[serde(rename = "EMMA_ID")]
    EmmaId,
    /// Europe's statistical regions, NUTS 2 and 3.
    #[serde(rename = "NUTS")]
    Nuts,
    /// Germany's warning cells, nine digits.
    #[serde(rename = "WARNCELLID")]
    WarncellId,
    /// Another one, by its name in the document.
    #[serde(untagged)]
    Other(String),
}

impl AreaSystem {
    /// The system that a `valueName` names.
    pub fn of(name: &str) -> Self {
        let plain: String = name
            .chars()
            .filter(char::is_ascii_alphanumeric)
            .collect::<String>()
            .to_ascii_uppercase();
        match plain.as_str() {
            "JISX0402" => Self::JisX0402,
            "SAME" => Self::Same,
            "FIPS6" => Self::Fips6,
            "UGC" => Self::Ugc,
            "EMMAID" => Self::EmmaId,
            "NUTS2" | "NUTS3" => Self::Nuts,
            "WARNCELLID" => Self::WarncellId,
            _ if plain.starts_with("PROFILECAPCPLOCATION") => Self::CapCpLocation,
            _ => Self::Other(name.to_owned()),
        }
    }

    /// The code as it is compared; `None` where the system has no such code.
    fn canonical(&self, code: &str) -> Option<String> {
        let all = |count: usize, legal: fn(&u8) -> bool| {
            code.len() == count && code.as_bytes().iter().all(legal)
        };
        let letters = |count: usize| {
            code.as_bytes().get(..count).is_some_and(|head| head.iter().all(u8::is_ascii_uppercase))
        };
        let is_legal = match self {
            Self::JisX0402 => {
                return Municipality::parse(code.as_bytes()).map(|code| code.to_string());
            }
            Self::JmaTsunami | Self::JmaEarthquake => all(3, u8::is_ascii_digit),
            Self::JmaMunicipality => all(7, u8::is_ascii_digit),
            Self::CapCpLocation => {
                (2..=7).contains(&code.len()) && code.bytes().all(|octet| octet.is_ascii_digit())
            }
            Self::Same | Self::Fips6 => all(6, u8::is_ascii_digit),
            Self::Ugc => all(6, u8::is_ascii_alphanumeric) && letters(3),
            Self::EmmaId => all(5, u8::is_ascii_alphanumeric) && letters(2),
            Self::Nuts => {
                (3..=5).contains(&code.len())
                    && letters(2)
                    && code.bytes().all(|octet| octet.is_ascii_alphanumeric())
            }
            Self::WarncellId => all(9, u8::is_ascii_digit),
            Self::Other(_) => !code.is_empty(),
        };
        is_legal.then(|| code.to_owned())
    }
}

impl std::fmt::Display for AreaSystem {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Other(name) => formatter.write_str(name),
            known => known.serialize(formatter),
        }
    }
}

/// One area by its code.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize)]
pub struct AreaCode {
    /// Who gave the code.
    pub system: AreaSystem,
    /// The code.
    pub code: String,
}

/// A place on WGS 84, in ten millionths of a degree.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize)]
pub struct Point {
    /// North of the equator.
    pub latitude_e7: i32,
    /// East of Greenwich.
    pub longitude_e7: i32,
}

/// A circle.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize)]
pub struct Circle {
    /// Its middle.
    pub center: Point,
    /// Its radius, in metres.
    pub radius_m: u32,
}

/// Where a warning holds: the union of all that is in it.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Area {
    /// Names for a person to read.
    pub names: Vec<String>,
    /// Areas by code.
    pub codes: BTreeSet<AreaCode>,
    /// Polygons; the last point of each is its first.
    pub polygons: Vec<Vec<Point>>,
    /// Circles.
    pub circles: Vec<Circle>,
}

impl PartialEq for Area {
    /// Whether they are the same places, under whatever names.
    fn eq(&self, other: &Self) -> bool {
        (&self.codes, &self.polygons, &self.circles)
            == (&other.codes, &other.polygons, &other.circles)
    }
}

impl Eq for Area {}

impl Area {
    /// Whether it is nowhere.
    pub fn is_empty(&self) -> bool {
        self.codes.is_empty() && self.polygons.is_empty() && self.circles.is_empty()
    }

    /// Adds everything of another one that is not there yet.
    pub fn extend(&mut self, other: Self) {
        for name in other.names {
            if !self.names.contains(&name) {
                self.names.push(name);
            }
        }
        self.codes.extend(other.codes);
        for polygon in other.polygons {
            if !self.polygons.contains(&polygon) {
                self.polygons.push(polygon);
            }
        }
        for circle in other.circles {
            if !self.circles.contains(&circle) {
                self.circles.push(circle);
            }
        }
    }

    /// Adds a code, digits of the system's own length.
    ///
    /// # Errors
    /// What is wrong, as the end of a sentence: no code of that system, or too many.
    pub fn add_code(&mut self, system: AreaSystem, code: &str) -> Result<(), String> {
        let canonical = system.canonical(code);
        let code = canonical.ok_or_else(|| {
            format!("{:?} is no code of {system}: correct it at the source", shown(code))
        })?;
        self.codes.insert(AreaCode { system, code });
        if self.codes.len() > CODES_MAX {
            return Err(format!("there are more than {CODES_MAX} codes: name larger areas"));
        }
        Ok(())
    }

    /// Adds a circle, `lat,lon radius`: degrees, and kilometres from 0 to 20,100.
    ///
    /// # Errors
    /// What is wrong: no circle, one that no place on the earth has, or too many shapes.
    pub fn add_circle(&mut self, text: &str) -> Result<(), String> {
        let (center, radius) = text.trim().rsplit_once(char::is_whitespace).ok_or_else(|| {
            format!("{:?} is no circle: give lat,lon, a blank and the radius in km", shown(text))
        })?;
        let radius_km: f64 = number(radius)?;
        if !(0.0..=20_100.0).contains(&radius_km) {
            return Err(format!(
                "no circle on the earth has a radius of {radius_km} km: give less"
            ));
        }
        let circle = Circle { center: point(center.trim())?, radius_m: (radius_km * 1e3) as u32 };
        self.circles.push(circle);
        self.check_shapes()
    }

    /// Adds a polygon of `lat,lon` pairs in degrees; gives what was odd and read all the same.
    ///
    /// # Errors
    /// What is wrong: no polygon, or too many shapes or corners.
    pub fn add_polygon(&mut self, text: &str) -> Result<Vec<&'static str>, String> {
        let mut odd = Vec::new();
        let mut points = Vec::new();
        for pair in text.split_whitespace() {
            let plain = pair.trim_end_matches(',');
            if plain.len() < pair.len() {
                odd.push("a comma behind a pair was passed over");
            }
            points.push(point(plain)?);
            if points.len() > POINTS_MAX {
                return Err(format!("a polygon has more than {POINTS_MAX} points: simplify it"));
            }
        }
        if let (Some(first), Some(last)) = (points.first().copied(), points.last())
            && first != *last
        {
            odd.push("the polygon was not closed; its first point was put at its end");
            points.push(first);
        }
        if points.len() < 4 {
            return Err("a polygon has fewer than three corners: give all of them".to_owned());
        }
        odd.dedup();
        self.polygons.push(points);
        self.check_shapes()?;
        Ok(odd)
    }

    fn check_shapes(&self) -> Result<(), String> {
        if self.polygons.len() + self.circles.len() > SHAPES_MAX {
            return Err(format!(
                "there are more than {SHAPES_MAX} polygons and circles: give codes"
            ));
        }
        Ok(())
    }
}

/// Whether two sides of a polygon cross; `None` where finding out takes more than what is left of
/// `tests`.
pub(super) fn crosses_itself(points: &[Point], tests: &mut usize) -> Option<bool> {
    let mut sides: Vec<(usize, Point, Point)> =
        points.windows(2).enumerate().map(|(at, pair)| (at, pair[0], pair[1])).collect();
    let count = sides.len();
    let start = |side: &(usize, Point, Point)| side.1.longitude_e7.min(side.2.longitude_e7);
    sides.sort_by_key(start);
    for (at, side) in sides.iter().enumerate() {
        let end = side.1.longitude_e7.max(side.2.longitude_e7);
        for other in sides[at + 1..].iter().take_while(|other| start(other) <= end) {
            *tests = tests.checked_sub(1)?;
            let apart = side.0.abs_diff(other.0);
            let are_neighbours = apart == 1 || apart == count - 1;
            if !are_neighbours && cross((side.1, side.2), (other.1, other.2)) {
                return Some(true);
            }
        }
    }
    Some(false)
}

/// Comparisons that a document may cost.
pub(super) fn tests_of_a_document() -> usize {
    CROSSINGS_TESTED_MAX
}

/// Whether two lines have a point in common that lies within both.
fn cross(one: (Point, Point), other: (Point, Point)) -> bool {
    let side = |line: (Point, Point), point: Point| {
        let part = |a: i32, b: i32| i128::from(a) - i128::from(b);
        let (from, to) = line;
        let turn = part(to.longitude_e7, from.longitude_e7)
            * part(point.latitude_e7, from.latitude_e7)
            - part(to.latitude_e7, from.latitude_e7) * part(point.longitude_e7, from.longitude_e7);
        turn.signum()
    };
    side(one, other.0) * side(one, other.1) < 0 && side(other, one.0) * side(other, one.1) < 0
}

fn point(pair: &str) -> Result<Point, String> {
    let wrong = || format!("{:?} is no pair lat,lon", shown(pair));
    let (latitude, longitude) = pair.split_once(',').ok_or_else(wrong)?;
    let (latitude, longitude) = (number(latitude)?, number(longitude)?);
    if latitude.abs() > 90.0 || longitude.abs() > 180.0 {
        return Err(format!("{:?} lies outside the earth: give lat,lon in degrees", shown(pair)));
    }
    let part = |degrees: f64| (degrees * DEGREE).round() as i32;
    Ok(Point { latitude_e7: part(latitude), longitude_e7: part(longitude) })
}

/// A decimal number with or without a sign, and nothing else that a float may be.
fn number(text: &str) -> Result<f64, String> {
    let is_plain = !text.is_empty()
        && text.len() <= 32
        && text.bytes().all(|octet| octet.is_ascii_digit() || matches!(octet, b'+' | b'-' | b'.'));
    let value = is_plain.then(|| text.parse::<f64>().ok()).flatten();
    value.ok_or_else(|| format!("{:?} is no number of degrees or kilometres", shown(text)))
}

/// Enough of a wrong value to find it by.
pub(super) fn shown(text: &str) -> String {
    const SHOWN_CHARACTERS_MAX: usize = 48;
    text.chars().take(SHOWN_CHARACTERS_MAX).collect()
}
