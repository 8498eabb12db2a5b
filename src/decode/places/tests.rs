//! Every disguise, with names that speak of it and with names that say nothing; and what must not be taken for one.

use super::*;
use crate::{
    decode::{
        category::{self, NameFacts},
        leaf::{RawLeaf, Value},
    },
    model::App,
};

fn places() -> Places {
    let mut places = Places::default();
    places.begin_phase("start");
    places.moved(Position { lat: 52.374, lon: 4.8897 }, true);
    places.begin_phase("idle");
    places.moved(Position { lat: 52.52, lon: 13.405 }, true);
    places.begin_phase("workout");
    places.moved(Position { lat: 48.0, lon: 11.0 }, false);
    places.begin_phase("background");
    places
}

/// The hits in leaves given as `group name=value`.
fn hits(places: &Places, leaves: &[String]) -> Vec<Hit> {
    let mut pairs = Pairs::default();
    let mut hits = Vec::new();
    for leaf in leaves {
        let (group, rest) = leaf.split_once(' ').expect("group first");
        let (path, value) = rest.split_once('=').expect("a value");
        let group = group.parse().expect("a number");
        look(&mut pairs, places, (group, path, Value::Text(value)), &mut hits);
    }
    hits
}

fn look(pairs: &mut Pairs, places: &Places, (group, path, value): (u32, &str, Value<'_>), hits: &mut Vec<Hit>) {
    let part = if path.starts_with('{') { Part::Path } else { Part::Json };
    let name = category::name_facts(&App::default(), "/", part, path);
    look_at(pairs, places, &name, (group, path, value), hits);
}

fn look_at(pairs: &mut Pairs, places: &Places, name: &NameFacts, (group, path, value): (u32, &str, Value<'_>), hits: &mut Vec<Hit>) {
    let part = if path.starts_with('{') { Part::Path } else { Part::Json };
    let leaf = RawLeaf { part, path, value, chain: &[], bytes: None, exact: false, clean: false, group };
    pairs.look(&leaf, name, places, &mut |hit| hits.push(hit));
}

/// The same leaves with names that say nothing: `a1`, `a2`, and the same for the same name.
fn renamed(leaves: &[String]) -> Vec<String> {
    let mut names: Vec<&str> = Vec::new();
    let rename = |leaf: &String, names: &mut Vec<&str>| {
        let (group, rest) = leaf.split_once(' ').expect("group first");
        let (path, value) = rest.split_once('=').expect("a value");
        if path.starts_with('{') {
            return leaf.clone();
        }
        let at = names.iter().position(|known| *known == path).unwrap_or(names.len());
        if at == names.len() {
            names.push(leaf[group.len() + 1..].split('=').next().unwrap_or_default().to_owned().leak());
        }
        format!("{group} a{}={value}", at + 1)
    };
    leaves.iter().map(|leaf| rename(leaf, &mut names)).collect()
}

/// Hits as `how metres@phases`, the same whatever the fields are called.
#[track_caller]
fn check(leaves: &[&str], want: &str) {
    let places = places();
    let leaves: Vec<String> = leaves.iter().map(|leaf| (*leaf).to_owned()).collect();
    for leaves in [leaves.clone(), renamed(&leaves)] {
        let shown: Vec<String> = hits(&places, &leaves)
            .iter()
            .map(|hit| {
                let phases: Vec<String> = places.held_in(hit, "background").into_iter().collect();
                format!("{} {:.0}@{}", hit.how, hit.distance_m, phases.join(","))
            })
            .collect();
        assert_eq!(shown.join(" | "), want, "{leaves:?}");
    }
}

/// Fields of the hits as `latitude+longitude`, by names that speak.
#[track_caller]
fn check_fields(leaves: &[&str], want: &str) {
    let leaves: Vec<String> = leaves.iter().map(|leaf| (*leaf).to_owned()).collect();
    let field = |hit: Hit| hit.companion.map_or(hit.field.1.clone(), |(_, path)| format!("{}+{path}", hit.field.1));
    let shown: Vec<String> = hits(&places(), &leaves).into_iter().map(field).collect();
    assert_eq!(shown.join(" "), want, "{leaves:?}");
}

#[test]
fn decimal_degrees() {
    check(&["1 lat=52.374", "1 lon=4.8897"], "decimal degrees, 3 decimals 0@idle,start");
    check(&["1 lat=52.37403", "1 lon=4.88969"], "decimal degrees, 5 decimals 3@idle,start");
    check(&["1 b=4.89", "1 zone=7.25", "1 a=52.37"], "decimal degrees, 2 decimals 445@idle,start");
    check(&["1 x=52.374", "2 y=4.8897"], "decimal degrees, 3 decimals 0@idle,start");
    check(&["1 lat=5.237403E1", "1 lon=4.88969E0"], "decimal degrees, 5 decimals 3@idle,start");
    check(&["1 lat=52,3740", "1 lon=4,8897"], "decimal degrees, 4 decimals 0@idle,start");
    check(&["1 q=52.374,4.8897,xiaomi_accu:1"], "decimal degrees, 3 decimals 0@idle,start");
    check(&["1 locationKey=52.37,4.89,xiaomi_accu:1"], "decimal degrees, 2 decimals 445@idle,start");
    check(&["1 q=lon 4.89 and lat 52.37"], "decimal degrees, 2 decimals, longitude first 445@idle,start");
    check(&["1 q=POINT(13.405 52.52)"], "decimal degrees, 2 decimals, longitude first 0@idle,workout");
    check(&["1 q=geo:52.374,4.8897;u=35"], "decimal degrees, 3 decimals 0@idle,start");
    check(&["1 q=+52.3740+004.8897/"], "decimal degrees, 4 decimals 0@idle,start");
    check(&["1 lat= 52.37403", "1 lon=4.88969\t "], "decimal degrees, 5 decimals 3@idle,start");
    check(&["1 lat=523740300 ", "1 lon= 48896900"], "degrees x 10^7 3@idle,start");
    check(&["1 lat=5 2.37403", "1 lon=4.88969"], "");
    check_fields(&["1 b=4.89", "1 a=52.37"], "a+b");
    check_fields(&["1 x=52.374", "2 y=4.8897"], "x+y");
}

#[test]
fn prices_versions_and_readings_of_a_scale_are_no_positions() {
    for leaf in [
        "price=52.37;4.89",
        "price=52.37,4.89",
        "price_range=52.36-4.90",
        "app_version=52.37-4.89",
        "version=52.37 4.89",
        "duration=52.36:4.90",
        "weight=52.37/4.89",
        // Names that say nothing, and no comma: only if they are the position rounded.
        "q=52.38;4.89",
        "q=52.38 4.89",
    ] {
        check_fields(&[&format!("1 {leaf}")], "");
    }
    for [a, b] in [["muscle", "visceral"], ["hrv", "stress"], ["minutes", "km"], ["eur", "usd"], ["body.fat", "body.bone"]] {
        check_fields(&[&format!("1 {a}=52.37"), &format!("1 {b}=4.89")], "");
    }
    // A name that says nothing, one further out, and one that speaks of a place.
    check_fields(&["1 q=52.37,4.89"], "q");
    check_fields(&["1 q=52.37;4.89"], "q");
    check_fields(&["1 q=52.38, 4.89"], "q");
    check_fields(&["1 days[].q=52.37,4.89"], "days[].q");
    check_fields(&["1 location=52.38;4.89"], "location");
    check_fields(&["1 a=52.37", "1 b=4.89"], "a+b");
    check_fields(&["1 hr.lat=52.37", "1 hr.lon=4.89"], "hr.lat+hr.lon");
}

#[test]
fn geojson_is_longitude_first() {
    let point = ["1 type=Point", "2 coordinates[]=13.405", "2 coordinates[]=52.52"];
    check(&point, "decimal degrees, 2 decimals, longitude first 0@idle,workout");
    let line = ["1 p[]=13.41", "1 p[]=52.52", "2 p[]=13.405", "2 p[]=52.52", "3 p[]=13.406", "3 p[]=52.52"];
    let want =
        "decimal degrees, 2 decimals, longitude first 338@idle,workout | decimal degrees, 2 decimals, longitude first 0@idle,workout";
    check(&line, want);
}

#[test]
fn multiples_of_degrees() {
    check(&["1 la=5237400", "1 lo=488970"], "degrees x 10^5 0@idle,start");
    check(&["1 la=52374030", "1 lo=4889690"], "degrees x 10^6 3@idle,start");
    check(&["1 la=523740300", "1 lo=48896900"], "degrees x 10^7 3@idle,start");
    check(&["1 la=5237403000", "1 lo=488969000"], "degrees x 10^8 3@idle,start");
    check(&["1 lo=14669100", "1 la=157122000"], "degrees x 3,000,000 0@idle,start");
    check(&["1 la=624846159", "1 lo=58336393"], "semicircles 0@idle,start");
    check(&["1 la=188546400", "1 lo=17602920"], "thousandths of a second of arc 0@idle,start");
    check(&["1 la=5.237403E7", "1 lo=4.88969E6"], "degrees x 10^6 3@idle,start");
    check(&["1 q=523740300,48896900"], "degrees x 10^7 3@idle,start");
    check(&["1 la=3142", "1 lo=293"], "minutes of arc 923@idle,start");
    check(&["1 la=3142.44", "1 lo=293.382"], "minutes of arc 0@idle,start");
    check(&["1 la=188546", "1 lo=17603"], "seconds of arc 12@idle,start");
    check(&["1 la=188546.4", "1 lo=17602.92"], "seconds of arc 0@idle,start");
}

#[test]
fn degrees_minutes_and_seconds() {
    check(&["1 q=52°22'26.4\"N 4°53'22.9\"E"], "degrees, minutes and seconds 0@idle,start");
    check(&["1 q=N 52° 22.440', E 4° 53.382'"], "degrees and minutes 0@idle,start");
    check(&["1 q=52 deg 22 min, 4 deg 53 min"], "degrees and minutes 923@idle,start");
    check(&["1 lat=52°22′26.4″", "1 lon=4°53′22.9″"], "degrees, minutes and seconds 0@idle,start");
    check(&["1 lat=52.374N", "1 lon=4.8897E"], "decimal degrees, 3 decimals 0@idle,start");
    check(&["1 q=$GPGGA,120000,5222.4400,N,00453.3820,E,1,08"], "degrees and minutes run together 0@idle,start");
    check(&["1 lat=5222.4400", "1 lon=453.3820"], "degrees and minutes run together 0@idle,start");
    check(&["1 q=52°22'26.4\"S 4°53'22.9\"E"], "");
    check(&["1 q=52°22'26.4\"E 4°53'22.9\"N"], "");
}

#[test]
fn spellings_of_systems_and_of_picture_files() {
    check(&["1 lat=52:22.44", "1 lon=4:53.382"], "degrees and minutes 0@idle,start");
    check(&["1 lat=52:22:26.4", "1 lon=4:53:22.9"], "degrees, minutes and seconds 0@idle,start");
    check(&["1 lat=52/1,22/1,2640/100", "1 lon=4/1,53/1,2292/100"], "degrees, minutes and seconds 0@idle,start");
    check(&["1 q=52.37403_4.88969"], "decimal degrees, 5 decimals 3@idle,start");
    check(&["1 q=52,37403;4,88969"], "decimal degrees, 5 decimals 3@idle,start");
    check(&["1 q=4,88969; 52,37403"], "decimal degrees, 5 decimals, longitude first 3@idle,start");
    check(&["1 la=1047480600", "1 lo=97793800"], "degrees x 10^7 with the sign as last bit 3@idle,start");
    // A run of 52 minutes at a pace near five, with names that say nothing.
    check_fields(&["1 took=52:22.1", "1 pace=4:54.2"], "");
    check(&["1 took=10:33:51", "1 pace=4:53.382"], "");
    check(&["1 lat=52/1,25/1,2640/100", "1 lon=4/1,53/1,2292/100"], "");
    check(&["1 q=52.39503_4.88969"], "");
    check(&["1 q=52,39503;4,88969"], "");
    check(&["1 q=52_4", "1 v=52.3_4.8_beta"], "");
    check(&["1 la=1047880600", "1 lo=97793800"], "");
}

#[test]
fn negative_numbers_without_their_sign() {
    let places = five();
    let how = |leaves: [&str; 2]| -> Vec<String> {
        hits(&places, &leaves.map(str::to_owned)).iter().map(|hit| format!("{} {:.0}", hit.how, hit.distance_m)).collect()
    };
    assert_eq!(how(["1 a1=404168000", "1 a2=4257929296"]), ["degrees x 10^7 0"]);
    assert_eq!(how(["1 a1=3956279296", "1 a2=1512093000"]), ["degrees x 10^7 0"]);
    assert_eq!(how(["1 a1=808336000", "1 a2=74075999"]), ["degrees x 10^7 with the sign as last bit 0"]);
    assert_eq!(how(["1 a1=40/1,25/1,48/100", "1 a2=3/1,42/1,1368/100"]), ["degrees, minutes and seconds 0"]);
    assert_eq!(how(["1 a1=404168000", "1 a2=4257529296"]), [""; 0]);
    assert_eq!(how(["1 a1=808336000", "1 a2=74076000"]), [""; 0]);
}

#[test]
fn signs_as_last_bits_are_read_on_both_sides_of_fifty_degrees() {
    let mut places = Places::default();
    places.begin_phase("start");
    places.moved(Position { lat: 55.75551, lon: 61.61792 }, true);
    places.moved(Position { lat: 88.67430, lon: 88.67433 }, true);
    let how = |leaves: [&str; 2]| -> Vec<String> {
        hits(&places, &leaves.map(str::to_owned)).iter().map(|hit| format!("{} {:.0}", hit.how, hit.distance_m)).collect()
    };
    assert_eq!(how(["1 a1=1115110200", "1 a2=1232358400"]), ["degrees x 10^7 with the sign as last bit 0"]);
    // A minute apart, in the year 2005: elsewhere.
    assert_eq!(how(["1 a1=1115110200", "1 a2=1115110260"]), [""; 0]);
    assert_eq!(how(["1 a1=1773486000", "1 a2=1773486060"]), [""; 0], "two times of our years");
}

#[test]
fn tenths_of_degrees_that_say_what_they_are_are_likely_the_cell_around_a_position() {
    let certainty = |leaves: [&str; 2]| -> Vec<String> {
        let hits = hits(&places(), &leaves.map(str::to_owned));
        hits.iter().map(|hit| format!("{} {:?} {:.1} km", hit.how, hit.certainty, hit.precision_m / 1e3)).collect()
    };
    let want = ["decimal degrees, 1 decimal Likely 11.1 km"];
    assert_eq!(certainty(["1 lat=52.4", "1 lon=4.9"]), want);
    assert_eq!(certainty(["1 longitude=4.9", "1 latitude=52.4"]), want);
    // Names that say nothing, the wrong ones, the next cells, another object.
    assert_eq!(certainty(["1 a1=52.4", "1 a2=4.9"]), [""; 0]);
    assert_eq!(certainty(["1 lon=52.4", "1 lat=4.9"]), [""; 0]);
    assert_eq!(certainty(["1 lat=52.3", "1 lon=4.9"]), [""; 0]);
    assert_eq!(certainty(["1 lat=52.4", "1 lon=4.8"]), [""; 0]);
    assert_eq!(certainty(["1 lat=52.4", "2 lon=4.9"]), [""; 0]);
}

#[test]
fn both_orders_that_fit_are_told() {
    let mut places = Places::default();
    places.begin_phase("start");
    places.moved(Position { lat: 10.4012, lon: 10.4057 }, true);
    let leaves = ["1 a=10.4012".to_owned(), "1 b=10.4057".to_owned()];
    let how: Vec<String> = hits(&places, &leaves).into_iter().map(|hit| hit.how).collect();
    assert_eq!(how, ["decimal degrees, 4 decimals; latitude and longitude order ambiguous: both fit"]);
}

#[test]
fn names_of_cells() {
    check(&["1 geohash=u173z"], "geohash of 5 characters 1479@idle,start".replace("1479", &metres("u173z")).as_str());
    check(&["1 geohash=u173zq2"], "geohash of 7 characters 25@idle,start".replace("25", &metres("u173zq2")).as_str());
    check(&["1 geohash=U173ZQ2SD"], "geohash of 9 characters 2@idle,start".replace(" 2@", &format!(" {}@", metres("u173zq2sd"))).as_str());
    check(&["1 q=at u173zq2sdm0x!"], "geohash of 12 characters 0@idle,start");
    check(&["1 olc=9F469VFQ+HV"], "plus code of 10 digits 7@idle,start");
    check(&["1 olc=9F469VFQ+"], "plus code of 8 digits 70@idle,start");
    check(&["1 q=see 9F469VFQ+HV, please"], "plus code of 10 digits 7@idle,start");
}

/// Metres from the middle of a cell to where the phone was, as a reader would see them.
fn metres(word: &str) -> String {
    let cell = geohash::decode(word).expect("a geohash");
    format!("{:.0}", cell.centre.distance_m(Position { lat: 52.374, lon: 4.8897 }))
}

#[test]
fn map_tiles() {
    check(&["1 zoom=15", "1 x=16829", "1 y=10768"], "map tile, zoom 15 375@idle,start");
    check(&["1 x=16829", "1 y=10768", "1 z=15"], "map tile, zoom 15 375@idle,start");
    check(&["1 z=15", "1 x=16829", "1 y=21999"], "map tile counted from the south, zoom 15 375@idle,start");
    check(&["1 {id}=15", "1 {id}2=16829", "1 {id}3=10768.png"], "map tile, zoom 15 375@idle,start");
    check(&["1 url=https://tiles.test/v4/15/16829/10768@2x.png?k=1"], "map tile, zoom 15 375@idle,start");
    check(&["1 quadkey=120202110131101"], "quadkey, zoom 15 375@idle,start");
    check(&["1 url=https://tiles.test/a120202110131101002.jpeg"], "quadkey, zoom 18 39@idle,start");
    check(&["1 x=16829", "1 y=10768"], "");
    check_fields(&["1 z=15", "1 x=16829", "1 y=10768"], "y+x");
}

#[test]
fn tracks() {
    let huami = "1 longitude_latitude=5252000000,1340500000;12000,15000;13000,11000;";
    check(&[huami], "delta-coded track of 3 points (degrees x 10^8), nearest point 0@idle,workout");
    let passing = "1 points=488000000,5236000000;500000,700000;470000,700000;100,100";
    check(&[passing], "delta-coded track of 4 points (degrees x 10^8, longitude first), nearest point 0@idle,start");
    let band = "1 track=40209000,157542000|6000,18000|450,360|330,390";
    check(&[band], "delta-coded track of 4 points (degrees x 3,000,000, longitude first), nearest point 0@idle,workout");
    check(&["1 polyline=_qq~H_cx\\g^g^gw@k\\od@{@"], "encoded polyline of 4 points (5 decimals), nearest point 0@idle,start");
    check(&["1 polyline=_sxzbB_gzhH_jZg}Q_vJwQ"], "encoded polyline of 3 points (6 decimals), nearest point 0@idle,start");
}

/// Binary data, between bytes that mean nothing.
#[track_caller]
fn check_binary(hex: &str, want: &str) {
    let middle: Vec<u8> = (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).expect("hex digits")).collect();
    let noise = |seed: u8| (0..50_u8).map(move |at| at.wrapping_mul(97).wrapping_add(seed));
    let bytes: Vec<u8> = noise(3).chain(middle).chain(noise(11)).collect();
    for value in [Value::Bytes { bytes: &bytes, text: None }, Value::Opaque(&bytes)] {
        let mut hits = Vec::new();
        look(&mut Pairs::default(), &places(), (1, "a1", value), &mut hits);
        let shown: Vec<String> = hits.iter().map(|hit| format!("{} {:.0}", hit.how, hit.distance_m)).collect();
        assert_eq!(shown.join(" | "), want, "{hex}");
    }
}

#[test]
fn pairs_in_binary_data() {
    // Bytes made by Python's struct module.
    check_binary("fa7e51426c789c40", "degrees as 32-bit floating-point numbers, binary, little-endian, at byte 50 0");
    check_binary("404a2fdf3b645a1d40138f0d844d013b", "degrees as 64-bit floating-point numbers, binary, big-endian, at byte 50 0");
    check_binary("60a3371fe81bea02", "degrees x 10^7, binary, little-endian, at byte 50 0");
    check_binary("00dfd52c095d7dd0", "degrees x 3,000,000, binary, big-endian, at byte 50, longitude first 0");
    check_binary("60a3371f15e81bea02", "degrees x 10^7, binary, little-endian, at byte 50 0");
    check_binary("60a3371f", "");
    check_binary("", "");
}

#[test]
fn pairs_behind_hex_and_base64_that_is_no_layer() {
    // Bytes made by Python's struct module.
    let double = "degrees as 64-bit floating-point numbers, binary";
    check(&["1 pos=1d5a643bdf2f4a403b014d840d8f1340"], &format!("{double} in hex, little-endian, at byte 0 0@idle,start"));
    check(&["1 pos=404A2FDF3B645A1D40138F0D844D013B"], &format!("{double} in hex, big-endian, at byte 0 0@idle,start"));
    check(&["1 pos= HVpkO98vSkA7AU2EDY8TQA=="], &format!("{double} in base64, little-endian, at byte 0 0@idle,start"));
    check(&["1 pos=QEov3ztkWh1AE48NhE0BOw"], &format!("{double} in base64, big-endian, at byte 0 0@idle,start"));
    check(&["1 pos=YKM3H-gb6gI"], "degrees x 10^7, binary in base64, little-endian, at byte 0 0@idle,start");
    check(&["1 pos=HzejYALqG+g="], "degrees x 10^7, binary in base64, big-endian, at byte 0 0@idle,start");
    check(&["1 pos=+n5RQmx4nEA="], "degrees as 32-bit floating-point numbers, binary in base64, little-endian, at byte 0 0@idle,start");
    check(&["1 pos=60a3371fe81bea02"], "degrees x 10^7, binary in hex, little-endian, at byte 0 0@idle,start");
    check(&["1 pos=v1:HVpkO98vSkA7AU2EDY8TQA=="], &format!("{double} in base64, little-endian, at byte 0 0@idle,start"));
    check(&["1 pos=DVNGIO67F5FEAOYBJWCA3DYTIA======"], &format!("{double} in base32, little-endian, at byte 0 0@idle,start"));
    check(&["1 pos=enc|dvngio67f5feaoybjwca3dytia"], &format!("{double} in base32, little-endian, at byte 0 0@idle,start"));
    let noise = |seed: u32| -> String { (0..40_u32).map(|at| format!("{:02x}", (at * 97 + seed) % 256)).collect() };
    let long = format!("1 pos={}1d5a643bdf2f4a403b014d840d8f1340{}", noise(3), noise(11));
    check(&[&long], &format!("{double} in hex, little-endian, at byte 40 0@idle,start"));
    // One digit more, one kilometre away, half a pair.
    check(&["1 pos=01d5a643bdf2f4a403b014d840d8f1340"], "");
    check(&["1 pos=80293a1fe81bea02"], "");
    check(&["1 pos=1d5a643bdf2f4a40"], "");
}

#[test]
fn a_nearer_hit_in_the_same_field_is_told_and_a_farther_one_is_not() {
    let leaves = ["1 p[]=13.406", "1 p[]=52.52", "2 p[]=13.405", "2 p[]=52.52", "3 p[]=13.407", "3 p[]=52.52"].map(str::to_owned);
    let metres: Vec<f64> = hits(&places(), &leaves).iter().map(|hit| hit.distance_m.round()).collect();
    assert_eq!(metres, [68.0, 0.0]);
}

#[test]
fn what_is_elsewhere_or_no_position_is_no_hit() {
    check(&["1 a=52.37", "2 b=4.8897"], "");
    check(&["1 a=52.381", "2 b=4.881"], "");
    check(&["1 lat=52.5", "1 lon=4.8"], "");
    check(&["1 lat=48.0", "1 lon=11.0"], "");
    check(&["1 ua=App/52.3.7 (4.88.9)"], "");
    check(&["1 q=the word ezs42 in a text, u173z too"], "");
    check(&["1 la=1773486000", "1 lo=1773486060"], "");
    check(&["1 v=u173z-beta"], "");
}

#[test]
fn two_decimals_are_a_position_where_rounding_makes_them_of_one_or_a_name_says_place() {
    let certainty = |leaves: &[&str]| -> String {
        let leaves: Vec<String> = leaves.iter().map(|leaf| (*leaf).to_owned()).collect();
        hits(&places(), &leaves).iter().map(|hit| format!("{:?}", hit.certainty)).collect::<Vec<_>>().join(" ")
    };
    for (leaves, want) in [
        // Rounded, cut off, in either order and in one text.
        (&["1 a1=52.37", "1 a2=4.89"][..], "Likely"),
        (&["1 a1=4.88", "1 a2=52.37"], "Likely"),
        (&["1 q=52.37,4.89"], "Likely"),
        // Near, but nothing makes them of where the phone was.
        (&["1 a1=52.38", "1 a2=4.90"], ""),
        (&["1 a1=52.37", "1 a2=4.90"], ""),
        (&["1 a1=52.36", "1 a2=4.89"], ""),
        (&["1 q=total 52.38, tax 4.90"], ""),
        (&["1 a1=52.38", "1 a2=4.8897"], ""),
        // Amounts of money, whatever they are.
        (&["1 price=52.37", "1 tax=4.89"], ""),
        (&["1 order.total.value=52.37", "1 order.vat.value=4.89"], ""),
        (&["1 price=52.38", "1 a2=4.89"], ""),
        // Names that say what they are.
        (&["1 lat=52.38", "1 lon=4.90"], "Certain"),
        // A text of two such numbers and nothing else looks like coordinates.
        (&["1 q=52.38, 4.90"], "Likely"),
        (&["1 q=52.38,4.90,7.12"], ""),
        (&["1 locationKey=52.38,4.90"], "Likely"),
    ] {
        assert_eq!(certainty(leaves), want, "{leaves:?}");
    }
    // A list of prices, in which some are rounded coordinates by chance.
    let prices: Vec<String> = (0..400).map(|at| format!("1 p{at}={}.{:02}", at % 60, at * 37 % 100)).collect();
    let all: Vec<&str> = prices.iter().map(String::as_str).chain(["1 a1=52.37", "1 a2=4.89"]).collect();
    assert_eq!(certainty(&all), "");
}

#[test]
fn what_a_way_of_writing_reveals_is_told_in_metres() {
    for (leaves, want) in [
        (["1 a=52.374", "1 b=4.8897"].as_slice(), 111.0),
        (&["1 a=52.37403", "1 b=4.88969"], 1.0),
        (&["1 a=523740300", "1 b=48896900"], 0.0),
        (&["1 a=u173zq2"], 153.0),
        (&["1 a=9F469VFQ+HV"], 14.0),
        (&["1 a=15", "1 b=16829", "1 c=10768"], 746.0),
        (&["1 a=52°22'26\"N 4°53'23\"E"], 31.0),
    ] {
        let leaves: Vec<String> = leaves.iter().map(|leaf| (*leaf).to_owned()).collect();
        let found: Vec<f64> = hits(&places(), &leaves).iter().map(|hit| hit.precision_m.round()).collect();
        assert_eq!(found, [want], "{leaves:?}");
    }
}

/// What stays alone, as `field: reason`.
#[track_caller]
fn check_signs(leaves: &[&str], want: &[&str]) {
    let mut places = places();
    places.address("location.address", "Große Rosenstraße 6, 10115 Musterstädt");
    let mut pairs = Pairs::default();
    for leaf in leaves {
        let (group, rest) = leaf.split_once(' ').expect("group first");
        let (path, value) = rest.split_once('=').expect("a value");
        look(&mut pairs, &places, (group.parse().expect("a number"), path, Value::Text(value)), &mut Vec::new());
    }
    let shown: Vec<String> = pairs.signs(&places).into_iter().map(|sign| format!("{}: {}", sign.field.1, sign.reason)).collect();
    assert_eq!(shown, want, "{leaves:?}");
}

#[test]
fn halves_of_pairs_stay_signs() {
    check_signs(&["1 a1=52.37401"], &["a1: planted value location probably found (one of its two coordinates)"]);
    check_signs(&["1 lat=52.3740"], &["lat: planted value location found (one of its two coordinates)"]);
    check_signs(&["1 a1=52.374"], &[]);
    check_signs(&["1 a1=52.3793"], &[]);
}

#[test]
fn a_planted_address_is_found_in_parts() {
    let number = "planted value location.address probably found (house number, beside its street)";
    let street = "planted value location.address found (street)";
    check_signs(&["1 a1=Grosse Rosenstr.", "1 a2=6"], &[&format!("a2: {number}"), &format!("a1: {street}")]);
    let alone = "planted value location.address probably found (street)";
    check_signs(&["1 a1=Grosse Rosenstr.", "2 a2=6"], &[&format!("a1: {alone}")]);
    check_signs(&["1 a1=a shop in the Grosse Rosenstr. of every town"], &[&format!("a1: {alone}")]);
    let town = "planted value location.address probably found (town)";
    check_signs(&["1 a1=Grosse Rosenstr.", "1 a2=Musterstadt"], &[&format!("a1: {street}"), &format!("a2: {town}")]);
    check_signs(&["1 a1=Grosse Rosenstr., Musterstadt"], &["a1: planted value location.address found (street and town or postal code)"]);
    check_signs(&["1 a1=Grosser Rosenstrauss"], &[]);
    check_signs(&["1 a1=6"], &[]);
    check_signs(&["1 a1=10115"], &[]);
    check_signs(
        &["1 a1=10115", "1 a2=MUSTERSTAEDT"],
        &[
            "a1: planted value location.address found (postal code, beside its town or street)",
            "a2: planted value location.address probably found (town)",
        ],
    );
    check_signs(&["1 a1=Große Rosenstr. 6"], &["a1: planted value location.address found (street and house number)"]);
}

#[test]
fn the_ids_of_a_mast_are_a_place_where_two_stand_side_by_side() {
    let mast = "looks like the ids of a mobile phone mast";
    check_signs(&["1 mcc=262", "1 mnc=1", "1 lac=4660", "1 cid=22136"], &[&format!("lac: {mast}"), &format!("cid: {mast}")]);
    check_signs(&["1 mcc=262", "1 mnc=1"], &[]);
    check_signs(&["1 cid=22136"], &[]);
}

/// What a value looks like by itself.
#[track_caller]
fn check_shape(path: &str, value: &str, want: &str) {
    let name = category::name_facts(&App::default(), "/", Part::Json, path);
    let mut reasons = Vec::new();
    by_shape(&name, &Value::Text(value), &mut reasons);
    let shown: Vec<String> = reasons.iter().map(|(_, reason)| reason.to_string()).collect();
    assert_eq!(shown.join("; "), want, "{path}={value}");
}

#[test]
fn what_looks_like_a_place_is_told_by_shape_and_name() {
    check_shape("a1", "8FVC2222+22", "looks like a plus code");
    check_shape("a1", "22222222+22", "");
    check_shape("geohash", "ezs42", "looks like a geohash");
    check_shape("a1", "ezs42", "");
    check_shape("quadkey", "120202110131101", "looks like the quadkey of a map tile");
    check_shape("polyline", "_qq~H_cx\\g^g^gw@k\\od@{@", "looks like a track: an encoded polyline");
    check_shape("route", "settings", "");
    check_shape("cell", "262-01-4660-22136", "looks like the ids of a mobile phone mast");
    check_shape("version", "262-01-4660-22136", "");
    check_shape("a1", "52.374,4.889", "looks like a latitude and a longitude; their order is ambiguous: both fit");
    check_shape("a1", "52.374,104.889", "");
    check_shape("a1", "Europe/Amsterdam", "looks like a time zone");
}

#[test]
fn a_later_phase_explains_nothing() {
    assert_eq!(places().held_in(&hit_at(52.52, 13.405, 1.1), "idle"), BTreeSet::from(["idle".to_owned()]));
}

#[test]
fn a_rounded_position_belongs_to_every_place_it_may_mean() {
    // The workout passes a point 90 m from where the phone then stays.
    let mut places = Places::default();
    places.begin_phase("workout");
    places.moved(Position { lat: 52.2, lon: 4.5 }, true);
    places.moved(Position { lat: 52.1585, lon: 4.4930 }, true);
    places.begin_phase("background");
    places.moved(Position { lat: 52.1592, lon: 4.4931 }, true);
    let both = BTreeSet::from(["background".to_owned(), "workout".to_owned()]);
    assert_eq!(places.held_in(&hit_at(52.159, 4.493, 111.0), "background"), both);
    assert_eq!(places.held_in(&hit_at(52.16, 4.49, 1111.0), "background"), both);
    assert_eq!(places.held_in(&hit_at(52.2, 4.5, 1.1), "background"), BTreeSet::from(["workout".to_owned()]));
}

fn hit_at(lat: f64, lon: f64, precision_m: f64) -> Hit {
    Hit {
        field: (Part::Json, String::new()),
        companion: None,
        position: Position { lat, lon },
        distance_m: 0.0,
        precision_m,
        notation: "",
        how: String::new(),
        certainty: Certainty::Certain,
        spelled: Vec::new(),
    }
}

/// Five places, of which some have small coordinates, which chance finds more easily.
fn five() -> Places {
    let mut places = Places::default();
    places.begin_phase("start");
    for (lat, lon) in [(52.374, 4.8897), (51.5074, -0.1278), (40.4168, -3.7038), (-33.8688, 151.2093), (35.6812, 139.7671)] {
        places.moved(Position { lat, lon }, true);
    }
    places
}

#[test]
fn twenty_megabytes_of_unrelated_values_give_no_hit() {
    let places = five();
    let mut random = fastrand::Rng::with_seed(20_240_611);
    let (mut bytes, mut found) = (0, Vec::new());
    while bytes < 20 << 20 {
        // One request: a few dozen objects of an app's ordinary fields.
        let mut pairs = Pairs::default();
        let mut hits = Vec::new();
        for group in 0..random.u32(1..60) {
            for field in 0..random.u32(2..12) {
                let value = unrelated(&mut random);
                bytes += value.len() + 8;
                look_at(&mut pairs, &places, &NameFacts::default(), (group, &format!("a{field}"), Value::Text(&value)), &mut hits);
            }
        }
        found.extend(hits.into_iter().map(|hit| format!("{} {:?} {:.0} m", hit.how, hit.spelled, hit.distance_m)));
        found.extend(pairs.signs(&places).into_iter().map(|sign| format!("{} {}", sign.reason, sign.spelled)));
    }
    assert_eq!(found, Vec::<String>::new());
}

/// Prices, ratios, ids, counts, times, versions, sizes, words, tokens.
fn unrelated(random: &mut fastrand::Rng) -> String {
    let word = |random: &mut fastrand::Rng, alphabet: &[u8], length: usize| -> String {
        (0..length).map(|_| char::from(alphabet[random.usize(..alphabet.len())])).collect()
    };
    const LETTERS: &[u8] = b"abcdefghijklmnopqrstuvwxyz";
    const DIGITS: &[u8] = b"0123456789";
    const BASE32: &[u8] = b"0123456789bcdefghjkmnpqrstuvwxyz";
    match random.u8(..20) {
        0 => format!("{:.2}", random.f64() * 100.0),
        1 => format!("{:.1}", random.f64() * 200.0),
        2 => format!("{:.3}", random.f64()),
        3 => format!("{}", random.f64() * 60.0),
        4 => format!("{:.6}", random.f64() * 10.0),
        5 => random.u32(..100).to_string(),
        6 => random.u32(..5_000).to_string(),
        7 => random.u32(1_600_000_000..1_800_000_000).to_string(),
        8 => random.u64(1_600_000_000_000..1_800_000_000_000).to_string(),
        9 => random.u32(..).to_string(),
        10 => {
            let length = random.usize(5..18);
            word(random, DIGITS, length).trim_start_matches('0').to_owned()
        }
        11 => format!("{}.{}.{}", random.u8(..60), random.u8(..60), random.u8(..60)),
        12 => format!("{:02}:{:02}:{:02}", random.u8(..24), random.u8(..60), random.u8(..60)),
        13 => format!("{}x{}", random.u16(..3000), random.u16(..3000)),
        14 => {
            let length = random.usize(5..13);
            word(random, BASE32, length)
        }
        15 => {
            let length = random.usize(3..12);
            word(random, LETTERS, length)
        }
        16 => {
            let words: Vec<String> = (0..random.usize(2..12)).map(|_| word(random, LETTERS, 5)).collect();
            words.join(" ")
        }
        17 => format!("{:.2},{:.2};{},{}", random.f64() * 100.0, random.f64() * 100.0, random.u16(..100), random.u16(..100)),
        18 => word(random, b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/", 22),
        _ => format!("/v{}/items/{}/{}/{}", random.u8(..4), random.u8(..24), random.u32(..40_000), random.u32(..40_000)),
    }
}

#[test]
fn a_position_is_found_among_many_unrelated_values() {
    let mut random = fastrand::Rng::with_seed(3);
    for disguise in [
        ["1 a1=52.374", "1 a2=4.8897"].as_slice(),
        &["1 a1=52.37403", "1 a2=4.88969"],
        &["1 a1=523740300", "1 a2=48896900"],
        &["1 a1=157122090", "1 a2=14669070"],
        &["1 a1=52.374,4.890"],
        &["1 a1=u173zq2"],
        &["1 a1=9F469VFQ+HV"],
        &["1 a1=120202110131101"],
        &["1 a1=15", "1 a2=16829", "1 a3=10768"],
        &["1 a1=52°22'26\"N 4°53'23\"E"],
        &["1 a1=_qq~H_cx\\g^g^gw@k\\od@{@"],
    ] {
        let unrelated = |random: &mut fastrand::Rng, group: u32| format!("{group} x={}", unrelated(random));
        let mut leaves: Vec<String> = (0..100).map(|at| unrelated(&mut random, at / 8 + 2)).collect();
        leaves.extend((0..4).map(|_| unrelated(&mut random, 1)));
        leaves.extend(disguise.iter().map(|leaf| (*leaf).to_owned()));
        assert_eq!(hits(&places(), &leaves).len(), 1, "{disguise:?}");
    }
}

#[test]
fn random_bytes_hold_no_pair() {
    let places = five();
    let mut random = fastrand::Rng::with_seed(7);
    for length in [64, 1_000, 4_320, 60_000, 1 << 20] {
        let bytes: Vec<u8> = (0..length).map(|_| random.u8(..)).collect();
        let (mut pairs, mut hits) = (Pairs::default(), Vec::new());
        look(&mut pairs, &places, (1, "a1", Value::Bytes { bytes: &bytes, text: None }), &mut hits);
        assert_eq!(hits, [], "{length} bytes");
    }
    let (mut pairs, mut hits) = (Pairs::default(), Vec::new());
    look(&mut pairs, &places, (1, "a1", Value::Opaque(&vec![0; 1 << 20])), &mut hits);
    assert_eq!(hits, []);
}

/// A walk of two hundred positions and as many near numbers as a body can hold: what is judged does not grow with their product.
#[test]
fn many_near_numbers_around_many_positions_cost_little() {
    let mut places = Places::default();
    places.begin_phase("walk");
    let step = |at: u32| f64::from(at % 200) * 0.001;
    (0..200).for_each(|at| places.moved(Position { lat: 52.3 + step(at * 7), lon: 4.8 + step(at * 13) }, true));
    let mut random = fastrand::Rng::with_seed(5);
    let latitude = |random: &mut fastrand::Rng| format!("{:.5}", 52.3 + random.f64() * 0.2);
    let longitude = |random: &mut fastrand::Rng| format!("{:.3}", 4.8 + random.f64() * 0.2);
    for near in [false, true] {
        let (mut pairs, mut hits) = (Pairs::default(), Vec::new());
        for at in 0..20_000 {
            let value = if near && at % 2 == 1 { longitude(&mut random) } else { latitude(&mut random) };
            let group = if near { at } else { 1 };
            look_at(&mut pairs, &places, &NameFacts::default(), (group, "a[]", Value::Number(&value)), &mut hits);
        }
        // Judging 256 older numbers with each would be five million.
        assert!(pairs.tried <= 200_000, "{}", pairs.tried);
    }
}

#[test]
fn no_text_makes_it_panic_or_slow() {
    let places = places();
    let mut random = fastrand::Rng::with_seed(11);
    let alphabet: Vec<char> = "0123456789.,;|+-NSEW°'\"′″: éßÄ/?=_~`@\u{301}x".chars().collect();
    let mut texts: Vec<String> =
        (0..20_000).map(|_| (0..random.usize(..40)).map(|_| alphabet[random.usize(..alphabet.len())]).collect()).collect();
    texts.extend(["52.374,4.8897 ", "5,", "N", "°", "1;", "_", "+", "/15/16829", "9F469VFQ+"].map(|piece| piece.repeat(20_000)));
    let mut pairs = Pairs::default();
    for text in &texts {
        look(&mut pairs, &places, (1, "a1", Value::Text(text)), &mut Vec::new());
        by_shape(&NameFacts::default(), &Value::Text(text), &mut Vec::new());
    }
    let repeated = [0xfa_u8, 0x7e, 0x51, 0x42].repeat(100_000);
    look(&mut pairs, &places, (1, "a1", Value::Opaque(&repeated)), &mut Vec::new());
}
