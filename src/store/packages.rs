//! What is kept with a rig of the app's packages: those that were rebuilt for it, those of its owner that had to make room, and the key that
//! the former are signed with. Rebuilding and installing them is the phone's business.

use std::{
    fs,
    io::{self, Write as _},
    path::{Path, PathBuf},
};

use super::{
    RigFolder, StoreError, create_private_file,
    rig::{OTHERS, private_folder, refuse_exposed},
};
use crate::model::Captured;

/// The key that a rig's packages are signed with. Whoever has it can replace the app on the rig's phone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PackageSigner {
    /// File with the private key, PKCS #8 in DER.
    pub key: PathBuf,
    /// File with its certificate, PEM.
    pub certificate: PathBuf,
}

impl RigFolder {
    /// Where the folder of packages is, or would be.
    pub fn packages_folder(&self) -> PathBuf {
        self.path().join(PACKAGES)
    }

    /// The folder of packages, for its owner only; made where it is missing.
    ///
    /// # Errors
    /// [`StoreError::Io`] or [`StoreError::Full`] when it cannot be made.
    pub fn packages(&self) -> Result<PathBuf, StoreError> {
        drop(self.lock()?);
        let folder = self.packages_folder();
        private_folder(&folder)?;
        Ok(folder)
    }

    /// The key that packages are signed with: the one that is kept, else what `make` gives (the key as PKCS #8 in DER, and its certificate
    /// as PEM), which is kept from now on.
    ///
    /// # Errors
    /// [`StoreError::Exposed`] when other users of this machine can read the key, [`StoreError::Io`] or [`StoreError::Full`] when it
    /// cannot be written.
    pub fn package_signer(&self, make: impl FnOnce() -> (Captured<Vec<u8>>, String)) -> Result<PackageSigner, StoreError> {
        let folder = self.packages()?;
        let signer = PackageSigner { key: folder.join(KEY), certificate: folder.join(CERTIFICATE) };
        match fs::metadata(&signer.key) {
            Ok(about) => {
                refuse_exposed(&signer.key, &about, OTHERS)?;
                if signer.certificate.exists() {
                    return Ok(signer);
                }
            }
            Err(problem) if problem.kind() == io::ErrorKind::NotFound => {}
            Err(problem) => return Err(StoreError::of("read", &signer.key, problem)),
        }
        let (key, certificate) = make();
        // The certificate last: a key without one is half of a pair whose making broke off.
        let _ = fs::remove_file(&signer.certificate);
        // Exposed to be written where only its owner can read it.
        for (path, bytes) in [(&signer.key, key.expose().as_slice()), (&signer.certificate, certificate.as_bytes())] {
            write_private(path, bytes).map_err(|problem| StoreError::of("write", path, problem))?;
        }
        Ok(signer)
    }
}

/// Writes a file that only its owner may read, in place of one that may be there.
fn write_private(path: &Path, bytes: &[u8]) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(problem) if problem.kind() != io::ErrorKind::NotFound => return Err(problem),
        _ => {}
    }
    let mut file = create_private_file(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

/// Folder of packages in the rig's.
const PACKAGES: &str = "packages";
/// The key's file.
const KEY: &str = "signer.pk8";
/// Its certificate's.
const CERTIFICATE: &str = "signer.pem";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::Workspace;

    #[test]
    fn a_key_is_made_once_for_its_owner_only_and_one_that_others_can_read_is_refused() {
        let root = tempfile::tempdir().expect("a folder");
        let rig = RigFolder::of(&Workspace { root: root.path().to_owned(), scenarios: None }, "pixel").expect("a name");
        let signer = rig.package_signer(|| (Captured::new(vec![1, 2]), "one".to_owned())).expect("written");
        let again = rig.package_signer(|| panic!("there is one")).expect("kept");
        assert_eq!((signer.clone(), fs::read(&signer.key).expect("written")), (again, vec![1, 2]));
        assert_eq!(crate::store::open_to_others(&signer.key).expect("there"), None);
        fs::remove_file(&signer.certificate).expect("ours");
        rig.package_signer(|| (Captured::new(vec![3]), "two".to_owned())).expect("half a pair is none");
        assert_eq!(fs::read(&signer.key).expect("written"), [3]);
        #[cfg(unix)]
        {
            fs::set_permissions(&signer.key, std::os::unix::fs::PermissionsExt::from_mode(0o644)).expect("ours");
            let refused = rig.package_signer(|| panic!("there is one"));
            assert!(matches!(refused, Err(StoreError::Exposed { .. })), "{refused:?}");
        }
    }
}
