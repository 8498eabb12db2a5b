//! Rules about who may import whom: the layers, the two halves that meet only in `cli`, and the ways round an import.

use super::{
    LAYERS, Paths, Problem, Rule, Side,
    paths::{module_of, references},
    source::Source,
};

pub(crate) const EVERY_MODULE_HAS_A_LAYER: Rule = Rule {
    name: "every-module-has-a-layer",
    check: every_module_has_a_layer,
    rejects: &[("src/utils.rs", "//! Odds and ends."), ("src/utils/mod.rs", "//! Odds and ends.")],
    accepts: &[("src/decode/json.rs", ""), ("src/audit.rs", ""), ("src/lib.rs", ""), ("tests/cli.rs", "")],
};

pub(crate) const HALVES_MEET_IN_CLI: Rule = Rule {
    name: "halves-meet-in-cli",
    check: halves_meet_in_cli,
    rejects: &[
        ("src/audit.rs", "use crate::scenario::Scenario;"),
        ("src/band/mod.rs", "use crate::decode::Leaf;"),
        ("src/run/mod.rs", "fn f() { crate::snapshot::print(); }"),
    ],
    accepts: &[
        ("src/cli/run.rs", "use crate::{audit, decode, run, traffic};"),
        ("src/run/mod.rs", "use crate::{phone::Phone, scenario::Scenario, store, traffic};"),
        ("src/audit.rs", "use crate::{decode, diff, snapshot};\n#[cfg(test)] mod tests { use crate::traffic; }"),
    ],
};

pub(crate) const LAYERS_POINT_DOWN: Rule = Rule {
    name: "layers-point-down",
    check: layers_point_down,
    rejects: &[
        ("src/model/app.rs", "use crate::decode::Leaf;"),
        ("src/model/app.rs", "use crate::clock::Clock;"),
        ("src/decode/json.rs", "use crate::snapshot::Line;"),
        ("src/decode/json.rs", "use crate::{model::Field, report};"),
        ("src/decode/json.rs", "use super::super::report::Page;"),
        ("src/link/mod.rs", "fn f() { crate::band::connect() }"),
        ("src/model/text.rs", "#[serde(with = \"crate::store::digits\")] struct A;"),
        ("src/store/mod.rs", "use crate::*;"),
        ("src/store/mod.rs", "use crate::undeclared::Thing;"),
        ("src/run/mod.rs", "use crate::audit::audit;"),
        ("src/diff/mod.rs", "#[cfg(not(test))] use crate::report::Page;"),
    ],
    accepts: &[
        ("src/decode/json.rs", "use crate::{decode::Leaf, model::{Field, FieldType}};"),
        ("src/decode/json.rs", "use super::form; // not crate::report\nconst A: &str = \"see crate::report\";"),
        ("src/band/mod.rs", "use crate::{clock::Clock, link::Central};"),
        ("src/cli/run.rs", "use crate::{audit, band, run};"),
        ("src/diff/mod.rs", "#[cfg(test)] mod tests { use crate::report; }"),
        ("src/main.rs", "use tattletale::cli;"),
    ],
};

pub(crate) const NO_WAY_ROUND: Rule = Rule {
    name: "no-way-round",
    check: no_way_round,
    rejects: &[
        ("src/decode/mod.rs", "#[path = \"../report/table.rs\"] mod table;"),
        ("src/decode/mod.rs", "include!(\"../report/table.rs\");"),
        ("src/decode/mod.rs", "extern crate self as tattletale;"),
    ],
    accepts: &[
        ("src/scenario/embedded.rs", "const A: &str = include_str!(\"a.yaml\"); extern \"C\" {}"),
        ("src/decode/mod.rs", "fn f(path: &str) {} // #[path] and include!() would be refused"),
        ("tests/tidy.rs", "#[path = \"tidy/source.rs\"] mod source;"),
    ],
};

pub(crate) const STAND_IN_KNOWS_NO_DECODER: Rule = Rule {
    name: "stand-in-knows-no-decoder",
    check: stand_in_knows_no_decoder,
    rejects: &[
        ("src/phone/simulated/app.rs", "use crate::decode::json;"),
        ("src/phone/simulated.rs", "fn f() { super::super::decode::body_leaves() }"),
        ("src/phone/simulated/app.rs", "#[serde(with = \"crate::decode::base64\")] struct A;"),
    ],
    accepts: &[("src/phone/simulated/app.rs", "use crate::{band, traffic::authority};\nfn decode() {}")],
};

fn every_module_has_a_layer(source: &Source, _: &Paths) -> Vec<Problem> {
    match module_of(&source.path) {
        Some(module) if !FREE.contains(&module) && layer(module).is_none() => {
            vec![Problem { line: 1, says: format!("`{module}` has no layer; give it one in LAYERS, with a page in docs/decisions") }]
        }
        _ => Vec::new(),
    }
}

fn layers_point_down(source: &Source, _: &Paths) -> Vec<Problem> {
    let Some((own, (own_layer, _))) = home(source) else { return Vec::new() };
    let against = references(source).into_iter().filter_map(|reference| {
        let says = match layer(&reference.module) {
            _ if reference.module == own => return None,
            Some((other, _)) if other < own_layer => return None,
            Some((other, _)) if other == own_layer => {
                format!("`{own}` imports `{}`, and both are of layer {other}: what both need belongs into a lower one", reference.module)
            }
            Some((other, _)) => format!("`{own}` (layer {own_layer}) imports `{}` (layer {other})", reference.module),
            None => format!("`{own}` imports `{}`, which is no module with a layer; name the module itself", reference.module),
        };
        Some(Problem { line: reference.line, says })
    });
    against.collect()
}

fn halves_meet_in_cli(source: &Source, _: &Paths) -> Vec<Problem> {
    let Some((own, (_, own_side))) = home(source) else { return Vec::new() };
    let met = references(source).into_iter().filter(|reference| {
        let side = layer(&reference.module).map(|(_, side)| side);
        matches!((own_side, side), (Side::Instrument, Some(Side::Core)) | (Side::Core, Some(Side::Instrument)))
    });
    met.map(|reference| Problem {
        line: reference.line,
        says: format!("`{own}` imports `{}`: instruments and core meet only in `cli`", reference.module),
    })
    .collect()
}

fn stand_in_knows_no_decoder(source: &Source, _: &Paths) -> Vec<Problem> {
    if !source.path.starts_with("src/phone/simulated") {
        return Vec::new();
    }
    let known = references(source).into_iter().filter(|reference| reference.module == "decode");
    known
        .map(|reference| Problem { line: reference.line, says: "the stand-in app would check the decoder with itself".to_owned() })
        .collect()
}

fn no_way_round(source: &Source, _: &Paths) -> Vec<Problem> {
    if !source.path.starts_with("src/") {
        return Vec::new();
    }
    let tokens = source.tokens();
    let mut problems = Vec::new();
    for three in tokens.windows(3) {
        let says = match three.iter().map(|token| token.text).collect::<Vec<_>>()[..] {
            ["[", "path", "="] => "`#[path]` takes a file out of its module, and so out of its layer",
            ["include", "!", _] => "`include!` brings in code of another module",
            ["extern", "crate", _] => "`extern crate` gives the root a second name",
            _ => continue,
        };
        problems.push(Problem { line: source.line(three[0].at), says: says.to_owned() });
    }
    problems
}

/// The module of a file with its layer; `None` for files that may import anything.
fn home(source: &Source) -> Option<(&str, (u8, Side))> {
    let module = module_of(&source.path)?;
    layer(module).map(|found| (module, found))
}

fn layer(module: &str) -> Option<(u8, Side)> {
    LAYERS.iter().find(|(_, name, _)| *name == module).map(|(layer, _, side)| (*layer, *side))
}

/// Files at the top of `src/` that stand above the layers: `lib.rs` lists the modules, `main.rs` (layer 7) is another crate.
const FREE: &[&str] = &["lib", "main"];
