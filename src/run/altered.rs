//! What a run writes down of an app that was altered so that it could be read: how, when that ended, and what a script in it said. Altering
//! it is the phone's.

use super::recorder::Recorder;
use crate::{
    model::{AttachmentKind, RunEvent},
    phone::Phone,
    scenario::rig::StageLog as _,
};

/// Writes whatever is new of how the app is altered.
pub(super) async fn tell(phone: &mut dyn Phone, recorder: &Recorder) {
    for alteration in phone.alterations() {
        recorder.write(RunEvent::AppAltered(alteration)).await;
    }
}

/// Keeps what a script in the app said beside the log: it may say what the app sends.
pub(super) async fn keep_output(phone: &mut dyn Phone, recorder: &Recorder) {
    if let Some(said) = phone.script_output() {
        let _ = recorder.attach(AttachmentKind::ScriptOutput, "script", said).await;
    }
}
