//! Shapes that narrow the areas of an audience, as a manifest writes them.

use serde::{Deserialize, Serialize};
use wire::cap::area::{Area as WarnedArea, Point};

use super::{ManifestError, wrong};
use crate::broadcast::areas::shapes::CIRCLE_CORNERS;
use crate::broadcast::limits::WITHIN_POINTS_MAX;

/// Parts of a degree that a coordinate is counted in.
const DEGREE: i32 = 10_000_000;

/// Shapes within which somebody has to live who has a cell of the mesh.
#[derive(Clone, PartialEq, Debug, Default, Deserialize, Serialize)]
pub struct Within {
    /// `lat,lon lat,lon …`, closed or not.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub polygons: Vec<String>,
    /// `lat,lon radius` in kilometres.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub circles: Vec<String>,
    /// The areas that they narrow; all of the audience, if none is named.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub areas: Vec<String>,
}

impl Within {
    /// The shapes of a warning, for these areas; `None` where they have too many points.
    pub fn of(area: &WarnedArea, areas: Vec<String>) -> Option<Self> {
        if points_of(area) > WITHIN_POINTS_MAX {
            return None;
        }
        let polygon = |points: &Vec<Point>| {
            points.iter().map(|point| text_of(*point)).collect::<Vec<String>>().join(" ")
        };
        let circles = area.circles.iter();
        let circles = circles.map(|circle| {
            let radius = circle.radius_m;
            // Half a metre more, which is cut off again when it is read.
            format!("{} {}.{:03}5", text_of(circle.center), radius / 1_000, radius % 1_000)
        });
        let polygons = area.polygons.iter().map(polygon).collect();
        Some(Self { polygons, circles: circles.collect(), areas })
    }

    /// What it is on the earth.
    ///
    /// # Errors
    /// The first shape that is none, with its place.
    pub fn shapes(&self, place: &str) -> Result<WarnedArea, ManifestError> {
        let mut area = WarnedArea::default();
        for (at, polygon) in self.polygons.iter().enumerate() {
            let added = area.add_polygon(polygon);
            added.map_err(|error| wrong(format!("{place}/polygons/{at}"), error))?;
        }
        for (at, circle) in self.circles.iter().enumerate() {
            let added = area.add_circle(circle);
            added.map_err(|error| wrong(format!("{place}/circles/{at}"), error))?;
        }
        if area.is_empty() {
            return Err(wrong(place, "it has no shape: give polygons or circles, or leave it out"));
        }
        if points_of(&area) > WITHIN_POINTS_MAX {
            let sentence = format!(
                "its shapes have more than {WITHIN_POINTS_MAX} points, a circle counting as \
                 {CIRCLE_CORNERS}: simplify them"
            );
            return Err(wrong(place, sentence));
        }
        Ok(area)
    }
}

fn points_of(area: &WarnedArea) -> usize {
    let polygons: usize = area.polygons.iter().map(Vec::len).sum();
    polygons + area.circles.len() * CIRCLE_CORNERS as usize
}

/// `lat,lon` in degrees, exactly.
fn text_of(point: Point) -> String {
    let degrees = |e7: i32| {
        let sign = if e7 < 0 { "-" } else { "" };
        let (whole, part) = (e7.unsigned_abs() / DEGREE as u32, e7.unsigned_abs() % DEGREE as u32);
        format!("{sign}{whole}.{part:07}")
    };
    format!("{},{}", degrees(point.latitude_e7), degrees(point.longitude_e7))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shapes_are_written_as_they_are_read() {
        let mut area = WarnedArea::default();
        area.add_polygon("35.1,139.2 -0.5,139.25 36,-0.0000001 35.1,139.2").expect("a polygon");
        area.add_circle("35.5,139.5 12.5").expect("a circle");
        let within = Within::of(&area, vec!["13101".to_owned()]).expect("few points");
        assert_eq!(within.shapes("/w").expect("shapes"), area);
        assert_eq!(within.circles, ["35.5000000,139.5000000 12.5005"]);
    }

    #[test]
    fn what_is_no_shape_is_named_with_its_place_and_too_many_points_are_none() {
        let read = |within: Within| within.shapes("/within").expect_err("wrong").place;
        let text = |text: &str| vec![text.to_owned()];
        assert_eq!(read(Within::default()), "/within");
        let wrong = Within { polygons: text("35,139 36,139"), ..Within::default() };
        assert_eq!(read(wrong), "/within/polygons/0");
        let wrong = Within { circles: text("35,139"), ..Within::default() };
        assert_eq!(read(wrong), "/within/circles/0");
        let many: Vec<String> =
            (0..=WITHIN_POINTS_MAX).map(|at| format!("35.{at:04},139")).collect();
        let many = Within { polygons: vec![many.join(" ")], ..Within::default() };
        assert_eq!(read(many), "/within");
        let mut area = WarnedArea::default();
        (0..90).for_each(|_| area.add_circle("35,139 1").expect("a circle"));
        assert_eq!(Within::of(&area, Vec::new()), None);
    }
}
