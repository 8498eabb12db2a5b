//! Bands over a real Bluetooth stack: btleplug here, a real kernel and a real bluetoothd in the lab's guest, and the band stand-in as a
//! GATT peripheral on the other end. `ci/bluetooth` runs these tests; without the lab each says that it was skipped.
#![cfg(target_os = "linux")]

#[path = "bluetooth_lab/lab.rs"]
mod lab;
#[path = "../src/link"]
mod link {
    pub(crate) use tattletale::link::*;
    pub(crate) mod behaviour;
}

use lab::Lab;
use link::{behaviour, sig_uuid};
use tattletale::band::mi_band_3::messages;

#[tokio::test(flavor = "multi_thread")]
async fn a_radio_behaves_as_every_link_does() {
    let Some(lab) = Lab::with("mi-band-3") else { return };
    let state = lab.order(serde_json::json!({ "do": "state" }));
    let address: Vec<u8> =
        state["address"].as_str().expect("an address").split(':').map(|byte| u8::from_str_radix(byte, 16).expect("hex")).collect();
    behaviour::check(
        &lab.radio(),
        &behaviour::Expected {
            address: address.try_into().expect("six bytes"),
            readable: (messages::FIRMWARE, b"V2.3.0.2".to_vec()),
            refused: messages::STEPS,
            missing: sig_uuid(0x2a29),
            notifying: messages::AUTHENTICATION,
            provoked_by: (messages::AUTHENTICATION, vec![0x01, 0x00]),
        },
    )
    .await;
}
