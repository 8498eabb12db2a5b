//! The shipped apps and scenarios, built into the program, so that an installed binary works in an empty folder.

/// A shipped app: the files of its folder in `scenarios/`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EmbeddedApp {
    /// The folder's name.
    pub name: &'static str,
    /// Text of `app.yaml`.
    pub app_yaml: &'static str,
    /// Name (the file's without its ending) and text of each scenario, sorted by name.
    pub scenarios: &'static [(&'static str, &'static str)],
}

/// Every shipped app, sorted by name.
pub const fn apps() -> &'static [EmbeddedApp] {
    APPS
}

const APPS: &[EmbeddedApp] = &[EmbeddedApp {
    name: "mifit",
    app_yaml: include_str!("../../scenarios/mifit/app.yaml"),
    scenarios: &[
        ("first-launch", include_str!("../../scenarios/mifit/first-launch.yaml")),
        ("passive-sync", include_str!("../../scenarios/mifit/passive-sync.yaml")),
        ("workout", include_str!("../../scenarios/mifit/workout.yaml")),
    ],
}];

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::scenario::parse;

    #[test]
    fn every_shipped_file_is_valid() {
        for embedded in apps() {
            let app = parse::app("app.yaml", embedded.name, embedded.app_yaml).expect("the app file is valid");
            for (name, text) in embedded.scenarios {
                let scenario = parse::scenario(&format!("{name}.yaml"), name, text, &app).expect("the scenario is valid");
                assert!(!scenario.expect.is_empty() && scenario.runs >= 3, "{name}");
            }
        }
    }

    #[test]
    fn every_file_of_the_folder_is_built_in() {
        for app in apps() {
            let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("scenarios").join(app.name);
            let mut files: Vec<String> = std::fs::read_dir(folder)
                .expect("the folder is there")
                .map(|entry| entry.expect("readable").file_name().to_string_lossy().into_owned())
                .collect();
            files.sort();
            let mut built_in: Vec<String> = app.scenarios.iter().map(|(name, _)| format!("{name}.yaml")).collect();
            built_in.insert(0, "app.yaml".into());
            assert_eq!(files, built_in);
        }
    }
}
