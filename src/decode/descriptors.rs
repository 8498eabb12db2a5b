//! The message types that an app file names for its calls, made ready for `format::protobuf`.

use prost_reflect::{DescriptorPool, MessageDescriptor};

use crate::model::{App, PathTemplate, ProtobufCall};

/// Message types by the calls that carry them.
#[derive(Clone, Debug, Default)]
pub(super) struct Descriptors(Vec<(PathTemplate, MessageDescriptor)>);

impl Descriptors {
    /// Those of an app file. What `check_protobuf` refuses is left out, so that its fields are numbers.
    pub(super) fn new(app: &App) -> Self {
        let known = app.protobuf.iter().filter_map(|call| Some((call.path.clone(), descriptor(call).ok()?)));
        Self(known.collect())
    }

    /// The type of the messages that a call to a path carries.
    pub(super) fn of(&self, path: &str) -> Option<&MessageDescriptor> {
        self.0.iter().find(|(template, _)| template.matches(path)).map(|(_, message)| message)
    }
}

/// Whether the descriptors of a call can be read and name its message.
///
/// # Errors
/// A sentence that reads after the name of the file: what is wrong with it.
pub fn check_protobuf(call: &ProtobufCall) -> Result<(), String> {
    descriptor(call).map(drop)
}

fn descriptor(call: &ProtobufCall) -> Result<MessageDescriptor, String> {
    let pool =
        DescriptorPool::decode(call.descriptors.as_slice()).map_err(|_| "it is no set of descriptors with all its imports".to_owned())?;
    pool.get_message_by_name(&call.message).ok_or_else(|| format!("it has no message {}", call.message))
}
