//! Boundaries, and which of them a polygon or a circle reaches.
//!
//! Everything is flat: within one municipality a degree of longitude has one length, so shares are
//! right to a few thousandths, and that is what a person is shown.

use geo::Rect;
use geo::{
    Area as _, BooleanOps as _, BoundingRect as _, Coord, LineString, MultiPolygon, Polygon,
};
use serde::Deserialize;
use serde::de::{Deserializer, IgnoredAny, SeqAccess, Visitor};
use wire::cap::area::{Area as WarnedArea, Circle, Point};

use super::AreaCatalogue;
use crate::broadcast::limits::MATCHED_POINTS_MAX;

/// Corners that stand for a circle.
pub const CIRCLE_CORNERS: u32 = 64;
/// Metres of a degree of latitude.
const DEGREE_M: f64 = 111_195.0;
const E7: f64 = 1e7;
/// A share that is none: what rounding leaves along a common border.
const NOTHING: f64 = 1e-6;

/// A longitude and a latitude; more numbers, such as a height, are passed over.
#[derive(Clone, Copy)]
pub struct LonLat(Coord<f64>);

impl<'de> Deserialize<'de> for LonLat {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Numbers;
        impl<'de> Visitor<'de> for Numbers {
            type Value = LonLat;

            fn expecting(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                formatter.write_str("a longitude and a latitude")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut numbers: A) -> Result<LonLat, A::Error> {
                let missing = || serde::de::Error::custom("a position has two numbers");
                let x: f64 = numbers.next_element()?.ok_or_else(missing)?;
                let y: f64 = numbers.next_element()?.ok_or_else(missing)?;
                while numbers.next_element::<IgnoredAny>()?.is_some() {}
                Ok(LonLat(Coord { x, y }))
            }
        }
        deserializer.deserialize_seq(Numbers)
    }
}

type Rings = Vec<Vec<LonLat>>;

/// A geometry of GeoJSON that has an inside.
#[derive(Deserialize)]
#[serde(tag = "type", content = "coordinates")]
pub enum GeometryDocument {
    /// One polygon: its outside, then its holes.
    Polygon(Rings),
    /// Several.
    MultiPolygon(Vec<Rings>),
}

/// Where an area is.
#[derive(Clone, PartialEq, Debug)]
pub struct Boundary {
    polygons: MultiPolygon<f64>,
    /// The polygons' bounds, each.
    bounds: Vec<Rect<f64>>,
    points: usize,
}

impl Boundary {
    /// Reads a geometry. The error is the end of a sentence.
    ///
    /// # Errors
    /// A point outside the earth, or a ring of fewer than three corners.
    pub fn read(document: GeometryDocument) -> Result<Self, String> {
        let all = match document {
            GeometryDocument::Polygon(rings) => vec![rings],
            GeometryDocument::MultiPolygon(polygons) => polygons,
        };
        let mut polygons = Vec::with_capacity(all.len());
        for rings in all {
            let mut lines = Vec::with_capacity(rings.len());
            for ring in rings {
                lines.push(ring_of(&ring)?);
            }
            let mut lines = lines.into_iter();
            let outside = lines.next().ok_or("a polygon has no ring: give its corners")?;
            polygons.push(Polygon::new(outside, lines.collect()));
        }
        Ok(Self::of(polygons))
    }

    fn of(polygons: Vec<Polygon<f64>>) -> Self {
        let rings = |polygon: &Polygon<f64>| {
            let holes: usize = polygon.interiors().iter().map(|ring| ring.0.len()).sum();
            polygon.exterior().0.len() + holes
        };
        let points = polygons.iter().map(rings).sum();
        let bounds = polygons.iter().filter_map(Polygon::bounding_rect).collect();
        Self { polygons: MultiPolygon::new(polygons), bounds, points }
    }

    /// Points that it takes.
    pub fn points(&self) -> usize {
        self.points
    }

    /// Adds what another one has.
    pub fn extend(&mut self, other: Self) {
        self.polygons.0.extend(other.polygons.0);
        self.bounds.extend(other.bounds);
        self.points += other.points;
    }

    /// The polygons that may meet a shape.
    fn near(&self, rect: &Rect<f64>) -> MultiPolygon<f64> {
        let near = self.polygons.0.iter().zip(&self.bounds);
        let near = near.filter(|(_, bounds)| meets(bounds, rect)).map(|(polygon, _)| polygon);
        MultiPolygon::new(near.cloned().collect())
    }
}

fn ring_of(ring: &[LonLat]) -> Result<LineString<f64>, String> {
    let is_on_earth =
        |at: &LonLat| at.0.x.abs() <= 180.0 && at.0.y.abs() <= 90.0 && at.0.x.is_finite();
    if !ring.iter().all(is_on_earth) {
        return Err("a point lies outside the earth: write longitude, latitude in degrees \
                    (WGS 84)"
            .to_owned());
    }
    if ring.len() < 4 {
        return Err("a ring has fewer than three corners: give all of them".to_owned());
    }
    Ok(LineString::new(ring.iter().map(|at| at.0).collect()))
}

fn meets(one: &Rect<f64>, other: &Rect<f64>) -> bool {
    one.min().x <= other.max().x
        && other.min().x <= one.max().x
        && one.min().y <= other.max().y
        && other.min().y <= one.max().y
}

/// An area that a shape reaches.
#[derive(Clone, PartialEq, Debug)]
pub struct Touched {
    /// Its code.
    pub code: String,
    /// The share of it that lies within, above 0 to 1.
    pub share: f64,
}

impl Touched {
    /// Whether nothing of it lies outside, but for what rounding leaves along its border.
    pub fn is_whole(&self) -> bool {
        self.share >= 1.0 - NOTHING
    }
}

/// What a shape costs too much to be compared with.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error(
    "comparing the shape with the boundaries takes more than {MATCHED_POINTS_MAX} points: \
     simplify it, or name codes"
)]
pub struct TooDear;

/// The areas that the polygons and circles reach; with `covers` those of which they cover at least
/// that share. An area is reached where it has a part in common with the shape: one that only
/// shares its border is not.
///
/// # Errors
/// It would cost too much.
pub fn touched(
    catalogue: &AreaCatalogue,
    area: &WarnedArea,
    covers: Option<f64>,
) -> Result<Vec<Touched>, TooDear> {
    let shape = shape_of(area);
    let Some(rect) = shape.bounding_rect() else { return Ok(Vec::new()) };
    // What it costs is known before anything is compared.
    let own: usize = shape.0.iter().map(|polygon| polygon.exterior().0.len()).sum();
    let near: Vec<(&str, &Boundary)> = catalogue
        .all()
        .filter_map(|(code, known)| Some((code, known.boundary.as_ref()?)))
        .filter(|(_, boundary)| boundary.bounds.iter().any(|bounds| meets(bounds, &rect)))
        .collect();
    let spent = near.iter().map(|(_, boundary)| boundary.points + own).sum::<usize>() + own;
    if spent > MATCHED_POINTS_MAX {
        return Err(TooDear);
    }
    // Polygons of one warning may lie over each other: put together, a part counts once.
    let shape = geo::unary_union(shape.0.iter());
    let mut found = Vec::new();
    for (code, boundary) in near {
        let common = boundary.near(&rect).intersection(&shape).unsigned_area();
        let whole = boundary.polygons.unsigned_area();
        let share = if whole > 0.0 { (common / whole).min(1.0) } else { 0.0 };
        if share > NOTHING && covers.is_none_or(|least| share >= least) {
            found.push(Touched { code: code.to_owned(), share });
        }
    }
    Ok(found)
}

/// Everything that the polygons and circles are round, one beside or over the other.
pub(super) fn shape_of(area: &WarnedArea) -> MultiPolygon<f64> {
    let mut wanted: Vec<Polygon<f64>> =
        area.polygons.iter().map(|points| polygon(points)).collect();
    wanted.extend(area.circles.iter().map(circle));
    MultiPolygon::new(wanted)
}

fn polygon(points: &[Point]) -> Polygon<f64> {
    let corner = |point: &Point| Coord {
        x: f64::from(point.longitude_e7) / E7,
        y: f64::from(point.latitude_e7) / E7,
    };
    Polygon::new(LineString::new(points.iter().map(corner).collect()), Vec::new())
}

/// A polygon round a circle, never smaller than it.
fn circle(circle: &Circle) -> Polygon<f64> {
    let (x, y) =
        (f64::from(circle.center.longitude_e7) / E7, f64::from(circle.center.latitude_e7) / E7);
    let half = std::f64::consts::PI / f64::from(CIRCLE_CORNERS);
    let north = f64::from(circle.radius_m.max(1)) / DEGREE_M / half.cos();
    // A degree of longitude is shorter away from the equator, on the side of the pole most.
    let east = north / (y.abs() + north).min(89.0).to_radians().cos();
    let corner = |at: u32| {
        let angle = 2.0 * half * f64::from(at);
        Coord { x: x + east * angle.cos(), y: (y + north * angle.sin()).clamp(-90.0, 90.0) }
    };
    Polygon::new(LineString::new((0..CIRCLE_CORNERS).map(corner).collect()), Vec::new())
}
