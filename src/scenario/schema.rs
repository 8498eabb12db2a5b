//! JSON Schemas (draft 2020-12) of the files people write, for editors, and tables of keys for the manual: both made from the
//! same lists that files are read by.

use serde_json::{Map, Value, json};

use super::{
    parse,
    spec::{Key, Kind, Need},
    steps::{STEPS, StepKind, Takes},
};

/// Schema of `scenarios/<app>/<scenario>.yaml`.
pub fn scenario_schema() -> Value {
    let mut schema = document("scenario", "A scenario: steps in phases, planted values, expectations", parse::SCENARIO);
    let steps = json!({ "anyOf": STEPS.iter().flat_map(|kind| step(kind)).collect::<Vec<_>>() });
    merge(&mut schema, json!({ "$defs": { "step": steps } }));
    schema
}

/// Schema of `scenarios/<app>/app.yaml`.
pub fn app_schema() -> Value {
    document("app", "The app under audit: its ids, hosts, endpoints, and what its fields mean", parse::APP)
}

/// Schema of a file of planted values, for imports.
pub fn planted_schema() -> Value {
    document("planted", "Values known to be on the phone or the band, to be searched for in an import", parse::PLANTED)
}

/// Schema of `policy.yaml`.
pub fn policy_schema() -> Value {
    document("policy", "What an organisation decided: severities, and findings it accepts for a time", parse::POLICY)
}

/// Schema of `rig.yaml`.
pub fn rig_schema() -> Value {
    document("rig", "A rig: whose it is, which band, which phone, where the proxy listens", parse::RIG)
}

/// A Markdown table of keys: name, what it is for, what it looks like, whether it must be there.
pub fn key_table(keys: &[Key]) -> String {
    let mut table = "| key | what it is for | value | when left out |\n|---|---|---|---|\n".to_owned();
    for key in keys {
        let need = match key.need {
            Need::Default("") => "all defaults".to_owned(),
            Need::Default(text) => format!("`{text}`"),
            Need::Optional => "nothing".to_owned(),
            Need::Required => "an error".to_owned(),
        };
        table.push_str(&format!("| `{}` | {} | {} | {need} |\n", key.name, cell(key.about), cell(&key.kind.to_string())));
    }
    table
}

fn cell(text: &str) -> String {
    text.replace('|', "\\|")
}

fn document(name: &str, about: &str, keys: &[Key]) -> Value {
    let mut schema = json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": format!("tattletale {name} file"),
        "description": about,
    });
    merge(&mut schema, map(keys));
    schema
}

/// Schema of a map with known keys.
fn map(keys: &[Key]) -> Value {
    let mut properties = Map::new();
    for key in keys {
        let mut schema = value(&key.kind);
        merge(&mut schema, json!({ "description": key.about }));
        if let Need::Default(text) = key.need {
            merge(&mut schema, json!({ "default": default(&key.kind, text) }));
        }
        properties.insert(key.name.to_owned(), schema);
    }
    let required: Vec<&str> = keys.iter().filter(|key| key.need == Need::Required).map(|key| key.name).collect();
    json!({ "type": "object", "properties": properties, "required": required, "additionalProperties": false })
}

/// Schema of a value.
fn value(kind: &Kind) -> Value {
    match kind {
        Kind::Duration => {
            json!({ "type": "string", "pattern": "^[0-9]*[1-9][0-9]*(ms|s|m|h)$", "examples": ["300ms", "90s", "5m", "24h"] })
        }
        Kind::Either(kinds) => json!({ "anyOf": kinds.iter().map(value).collect::<Vec<_>>() }),
        Kind::Flag => json!({ "type": "boolean" }),
        Kind::List { of, least } => json!({ "type": "array", "items": value(of), "minItems": least }),
        Kind::Map(keys) => map(keys),
        Kind::Number { least, most } => json!({ "type": "number", "minimum": least, "maximum": most }),
        Kind::Point => json!({
            "type": "array",
            "description": "[latitude, longitude] in decimal degrees",
            "prefixItems": [value(&parse::LATITUDE), value(&parse::LONGITUDE)],
            "items": false,
            "minItems": 2,
        }),
        // Steps hold steps.
        Kind::Step => json!({ "$ref": "#/$defs/step" }),
        Kind::Table(form, of) => {
            json!({ "type": "object", "propertyNames": { "pattern": form.pattern }, "additionalProperties": value(of) })
        }
        Kind::Text(form) => json!({ "type": "string", "pattern": form.pattern, "examples": [form.example] }),
        Kind::Whole { least, most } => json!({ "type": "integer", "minimum": least, "maximum": most }),
        Kind::Word(words) => json!({ "type": "string", "enum": words }),
    }
}

/// Ways to write a step: its name alone, where nothing has to be said, and a map with its name as the one key.
fn step(kind: &StepKind) -> Vec<Value> {
    let alone = json!({ "const": kind.name, "description": kind.about });
    let with = |arguments: Value| {
        json!({
            "type": "object",
            "description": kind.about,
            "properties": { kind.name: arguments },
            "required": [kind.name],
            "additionalProperties": false,
        })
    };
    match &kind.takes {
        Takes::Nothing => vec![alone],
        Takes::One(key) => {
            let mut schema = value(&key.kind);
            merge(&mut schema, json!({ "description": key.about }));
            vec![with(schema)]
        }
        Takes::Map(keys) if keys.iter().any(|key| key.need == Need::Required) => vec![with(map(keys))],
        Takes::Map(keys) => vec![alone, with(map(keys))],
    }
}

/// A default as JSON.
fn default(kind: &Kind, text: &str) -> Value {
    match kind {
        Kind::Map(_) => json!({}),
        Kind::Flag => json!(text == "true"),
        Kind::Whole { .. } => text.parse::<u64>().map_or(Value::Null, |number| json!(number)),
        _ => json!(text),
    }
}

fn merge(into: &mut Value, from: Value) {
    if let (Some(into), Value::Object(from)) = (into.as_object_mut(), from) {
        into.extend(from);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whether a value conforms, by the part of JSON Schema that these schemas use; patterns are the reader's to check.
    fn conforms(value: &Value, schema: &Value) -> bool {
        let keyword = |name: &str| schema.get(name);
        if keyword("$ref").is_some() {
            return conforms(value, &scenario_schema()["$defs"]["step"]);
        }
        if let Some(choices) = keyword("anyOf").and_then(Value::as_array) {
            return choices.iter().any(|choice| conforms(value, choice));
        }
        if keyword("const").is_some_and(|word| word != value) {
            return false;
        }
        if let Some(words) = keyword("enum").and_then(Value::as_array) {
            return words.contains(value);
        }
        match (keyword("type").and_then(Value::as_str), value) {
            (None, _) => true,
            (Some("string"), Value::String(_)) | (Some("boolean"), Value::Bool(_)) => true,
            (Some("number"), Value::Number(number)) => {
                let bound = |name| keyword(name).and_then(Value::as_f64);
                let number = number.as_f64();
                bound("minimum").is_none_or(|least| number >= Some(least)) && bound("maximum").is_none_or(|most| number <= Some(most))
            }
            (Some("integer"), Value::Number(number)) => number.is_u64(),
            (Some("array"), Value::Array(items)) => {
                let least = keyword("minItems").and_then(Value::as_u64).unwrap_or(0);
                let prefix = keyword("prefixItems").and_then(Value::as_array).cloned().unwrap_or_default();
                items.len() as u64 >= least
                    && items.iter().enumerate().all(|(n, item)| match (prefix.get(n), keyword("items")) {
                        (Some(schema), _) => conforms(item, schema),
                        (None, Some(Value::Bool(allowed))) => *allowed,
                        (None, Some(schema)) => conforms(item, schema),
                        (None, None) => true,
                    })
            }
            (Some("object"), Value::Object(entries)) => {
                let properties = keyword("properties").and_then(Value::as_object).cloned().unwrap_or_default();
                let required = keyword("required").and_then(Value::as_array).cloned().unwrap_or_default();
                required.iter().all(|key| entries.contains_key(key.as_str().unwrap_or_default()))
                    && entries.iter().all(|(key, value)| match (properties.get(key), keyword("additionalProperties")) {
                        (Some(schema), _) => conforms(value, schema),
                        (None, Some(Value::Bool(allowed))) => *allowed,
                        (None, Some(schema)) => conforms(value, schema),
                        (None, None) => true,
                    })
            }
            _ => false,
        }
    }

    /// A file as JSON, read by the YAML library itself and not by our reader.
    fn as_json(text: &str) -> Value {
        serde_saphyr::from_str(text).expect("a shipped file is YAML")
    }

    #[test]
    fn every_shipped_file_conforms() {
        for app in crate::scenario::embedded::apps() {
            assert!(conforms(&as_json(app.app_yaml), &app_schema()), "{}", app.name);
            for (name, text) in app.scenarios {
                assert!(conforms(&as_json(text), &scenario_schema()), "{}/{name}", app.name);
            }
        }
    }

    #[test]
    fn what_the_reader_refuses_does_not_conform() {
        let good = "name: a\napp: b\nabout: c\nsteps: [stopApp, {pressKey: home}, {wait: {for: 5m}}, readBand, {repeat: {times: 2, commands: [back]}}]\n";
        assert!(conforms(&as_json(good), &scenario_schema()));
        for (from, to) in [
            ("app: b\n", ""),
            ("home", "powers"),
            ("stopApp", "stopap"),
            ("for", "fro"),
            ("about", "abuot"),
            ("readBand", "wait"),
            ("back", "bakc"),
            ("times", "tiems"),
        ] {
            assert!(!conforms(&as_json(&good.replacen(from, to, 1)), &scenario_schema()), "{from} to {to}");
        }
        let track = "name: a\napp: b\nabout: c\nsteps: [{travel: {track: [[1.5, 2.5], [91, 2.5]]}}]\n";
        assert!(!conforms(&as_json(track), &scenario_schema()));
    }

    #[test]
    fn every_step_is_in_the_schema_with_its_description() {
        let schema = scenario_schema().to_string();
        for kind in STEPS {
            assert!(schema.contains(&format!("\"{}\"", kind.name)) && schema.contains(kind.about), "{}", kind.name);
        }
    }

    #[test]
    fn nothing_unknown_is_allowed_in_any_file() {
        for schema in [scenario_schema(), app_schema(), planted_schema(), policy_schema(), rig_schema()] {
            assert_eq!(schema["additionalProperties"], json!(false));
            assert_eq!(schema["$schema"], json!("https://json-schema.org/draft/2020-12/schema"));
            assert!(!conforms(&json!({ "surprise": 1 }), &schema));
        }
    }
}
