//! What a server's answer says of where the phone is: services that locate by IP address answer with a town and its position.
//! Such a value was learned, not planted; finding it in a later upload says that the app passes on what it was told.

use crate::model::{Category, FieldType, Planted, PlantedSource, PlantedValue};

use super::super::{kind::Number, leaf::Leaf, name};

/// Towns and postal codes that the leaves of one answer name, where the answer is one about a place: beside a country, a latitude
/// and a longitude. At most eight.
pub(in crate::decode) fn learned(leaves: &[Leaf]) -> Vec<PlantedValue> {
    let mut said = Said::default();
    let mut towns: Vec<PlantedValue> = Vec::new();
    for leaf in leaves {
        let words = name::segments(&leaf.name.path).last().map(name::words).unwrap_or_default();
        let Some(last) = words.last() else { continue };
        let text = leaf.value.expose().trim();
        match last.as_str() {
            "lat" | "latitude" => said.latitude |= is_coordinate(text),
            "lon" | "lng" | "longitude" => said.longitude |= is_coordinate(text),
            "loc" | "location" => {
                // `"loc": "52.374,4.8897"`
                let both = leaf.shape.kind == FieldType::Coordinates;
                said.latitude |= both;
                said.longitude |= both;
            }
            "country" | "cc" => said.country |= !text.is_empty(),
            "code" | "name" if words.iter().any(|word| word == "country") => said.country |= !text.is_empty(),
            "city" | "town" => towns.extend(town(CITY, text)),
            "name" if words.iter().any(|word| word == "city") => towns.extend(town(CITY, text)),
            "zip" | "postal" | "postcode" => towns.extend(town("learned.postal_code", text)),
            _ => {}
        }
    }
    towns.truncate(MOST_TOWNS);
    if said.latitude && said.longitude && said.country { towns } else { Vec::new() }
}

#[derive(Default)]
struct Said {
    latitude: bool,
    longitude: bool,
    country: bool,
}

fn is_coordinate(text: &str) -> bool {
    Number::parse(text).is_some_and(|number| !number.integer && number.value.abs() <= 180.0)
}

fn town(name: &str, text: &str) -> Option<PlantedValue> {
    let fits = (SHORTEST..=LONGEST).contains(&text.chars().count()) && text.chars().any(char::is_alphanumeric);
    fits.then(|| PlantedValue {
        name: name.to_owned(),
        category: if name == CITY { Category::CoarseLocation } else { Category::PostalAddress },
        value: Planted::Text(text.to_owned()),
        source: PlantedSource::Learned,
        confirmed: true,
    })
}

const CITY: &str = "learned.city";
const MOST_TOWNS: usize = 8;
const SHORTEST: usize = 4;
const LONGEST: usize = 80;

#[cfg(test)]
mod tests {
    use super::super::super::body_leaves;
    use super::*;

    #[track_caller]
    fn check(answer: &str, want: &[&str]) {
        let learned = learned(&body_leaves(answer.as_bytes(), Some("application/json")).0);
        let shown: Vec<String> = learned.into_iter().map(|value| format!("{} {:?}", value.name, value.value)).collect();
        assert_eq!(shown, want, "{answer}");
    }

    #[test]
    fn an_answer_about_a_place_tells_its_town() {
        let town = ["learned.city Text(\"Sampleton\")", "learned.postal_code Text(\"10115\")"];
        check(r#"{"ip":"192.0.2.1","city":"Sampleton","zip":"10115","countryCode":"XX","lat":52.374,"lon":4.8897}"#, &town);
        check(r#"{"city":"Sampleton","country":"XX","loc":"52.374,4.8897","postal":"10115"}"#, &town);
        check(r#"{"data":{"city":{"city_name":"Sampleton"},"country":"XX","latitude":52.374,"longitude":4.8897}}"#, &town[..1]);
        check(r#"{"city":"Sampleton","country":"XX"}"#, &[]);
        check(r#"{"lat":52.374,"lon":4.8897,"country":"XX","city":"-"}"#, &[]);
    }
}
