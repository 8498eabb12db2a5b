//! `setPermissions`: grants and denies permissions, exactly those that the file names.

use async_trait::async_trait;

use super::{Build, Step, StepError, StepKind, Takes};
use crate::{
    phone::{Action, Permission, PermissionChange, PermissionName},
    scenario::{
        forms,
        rig::Stage,
        spec::{Key, Kind, Need, Value},
    },
};

pub(super) const KIND: StepKind = StepKind {
    name: "setPermissions",
    about: "Grant and deny permissions, exactly those that are named",
    takes: Takes::Map(&[Key {
        name: "permissions",
        about: "What the app may do. location: where the phone is while the app is in front, precisely and approximately; \
                backgroundLocation: while it is not; any other by the system's own name",
        kind: Kind::Table(&forms::PERMISSION, &Kind::Word(&["allow", "deny"])),
        need: Need::Required,
    }]),
    does: "Sets each permission that is named and asks the phone what it is then. What is not named stays as it is, unlike with launchApp, \
           which denies location unless it is told otherwise. Taking a permission away may stop the app.",
    fails: "When one of them does not become what it was to be: the app does not ask for it, or the system keeps it.",
    example: "- setPermissions: { permissions: { location: allow, backgroundLocation: deny } }",
    build,
};

#[derive(Debug)]
struct SetPermissions(Vec<PermissionChange>);

fn build(build: &mut Build<'_>) -> Option<Box<dyn Step>> {
    let Value::Table(entries) = &build.arguments.0.get("permissions")?.value else { return None };
    let change = |(name, _, word): &(String, _, crate::scenario::spec::Placed)| PermissionChange {
        which: match name.as_str() {
            "backgroundLocation" => PermissionName::BackgroundLocation,
            "location" => PermissionName::Location,
            exact => PermissionName::Exact(exact.to_owned()),
        },
        to: if word.value.as_text() == Some("allow") { Permission::Allow } else { Permission::Deny },
    };
    let changes: Vec<PermissionChange> = entries.iter().map(change).collect();
    if changes.is_empty() {
        build.wrong("permissions", "set no permission at all".into(), "nothing is named", "name one: { location: allow }");
        return None;
    }
    Some(Box::new(SetPermissions(changes)))
}

#[async_trait]
impl Step for SetPermissions {
    async fn run(&self, stage: &mut Stage<'_>) -> Result<String, StepError> {
        stage.phone.set_permissions(&self.0).await?;
        let told = self.0.iter().map(|change| {
            let which = match &change.which {
                PermissionName::BackgroundLocation => "backgroundLocation",
                PermissionName::Location => "location",
                PermissionName::Exact(name) => name,
            };
            let to = if change.to == Permission::Allow { "allowed" } else { "denied" };
            format!("{which} {to}")
        });
        Ok(told.collect::<Vec<_>>().join(", "))
    }

    fn needs(&self) -> Option<Action> {
        Some(Action::SetPermissions)
    }
}

#[cfg(test)]
mod tests {
    use crate::{
        phone::PhoneError,
        scenario::steps::fakes::{Fakes, step},
    };

    #[tokio::test]
    async fn what_is_named_is_set_and_nothing_else() {
        let mut fakes = Fakes::new();
        let line = "setPermissions: { permissions: { location: allow, android.permission.CAMERA: deny, backgroundLocation: deny } }";
        let note = fakes.run(step(line)).await.expect("it takes them");
        assert_eq!(note, "location allowed, android.permission.CAMERA denied, backgroundLocation denied");
        let done = "permissions Location Allow, Exact(\"android.permission.CAMERA\") Deny, BackgroundLocation Deny";
        assert_eq!(fakes.phone.done, [done]);
    }

    #[tokio::test]
    async fn a_grant_that_did_not_take_fails_the_step() {
        let mut fakes = Fakes::new();
        fakes.phone.fails.push(PhoneError::Failed("the app does not ask for android.permission.CAMERA".into()));
        let error = fakes.run(step("setPermissions: { permissions: { android.permission.CAMERA: allow } }")).await.expect_err("it did not");
        assert_eq!(error.to_string(), "control the phone: the app does not ask for android.permission.CAMERA");
    }
}
