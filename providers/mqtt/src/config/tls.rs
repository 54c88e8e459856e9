use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, RootCertStore};

use super::ConfigError;

/// Certificates, in PEM files. They are read when the provider starts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tls {
    /// The only authorities to trust; `None` trusts the system's.
    pub ca: Option<PathBuf>,
    /// The certificate by which the broker knows the client, and those that vouch for it.
    pub cert: Option<PathBuf>,
    /// Its key.
    pub key: Option<PathBuf>,
}

impl Tls {
    /// What the client needs: TLS 1.2 and 1.3, whatever provider of cryptography the process has.
    pub(super) fn client_config(&self) -> Result<Arc<ClientConfig>, ConfigError> {
        let identity = match (&self.cert, &self.key) {
            (None, None) => None,
            (Some(cert), Some(key)) => Some((certificates("cert", cert)?, private_key(key)?, cert)),
            (Some(_), None) => {
                let (has, lacks) = ("cert", "key");
                return Err(ConfigError::HalfIdentity { has, lacks });
            }
            (None, Some(_)) => {
                let (has, lacks) = ("key", "cert");
                return Err(ConfigError::HalfIdentity { has, lacks });
            }
        };
        let roots = self.roots()?;
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(ConfigError::Tls)?
            .with_root_certificates(roots);
        let config = match identity {
            None => builder.with_no_client_auth(),
            Some((certificates, key, path)) => builder
                .with_client_auth_cert(certificates, key)
                .map_err(|error| ConfigError::Pem {
                    what: "cert",
                    path: path.clone(),
                    reason: format!("it does not go with its key: {error}"),
                })?,
        };
        Ok(Arc::new(config))
    }

    fn roots(&self) -> Result<RootCertStore, ConfigError> {
        let mut roots = RootCertStore::empty();
        let Some(path) = &self.ca else {
            let found = rustls_native_certs::load_native_certs();
            // A system may have some that nobody can read; the others count.
            roots.add_parsable_certificates(found.certs);
            if roots.is_empty() {
                let reason = found.errors.first().map(ToString::to_string);
                return Err(ConfigError::NoSystemRoots {
                    reason: reason.unwrap_or_else(|| "there are none".into()),
                });
            }
            return Ok(roots);
        };
        for certificate in certificates("ca", path)? {
            roots.add(certificate).map_err(|error| ConfigError::Pem {
                what: "ca",
                path: path.clone(),
                reason: format!("a certificate in it cannot be used: {error}"),
            })?;
        }
        Ok(roots)
    }
}

fn certificates(
    what: &'static str,
    path: &Path,
) -> Result<Vec<CertificateDer<'static>>, ConfigError> {
    let bytes = bytes(what, path)?;
    let all: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&bytes).collect();
    let pem = |reason| ConfigError::Pem {
        what,
        path: path.to_owned(),
        reason,
    };
    match all {
        Ok(all) if all.is_empty() => Err(pem("no certificate is in it, in PEM".into())),
        Ok(all) => Ok(all),
        Err(_) => Err(pem("it is not PEM".into())),
    }
}

/// What is wrong with a key is not said: nothing of it may be shown.
fn private_key(path: &Path) -> Result<PrivateKeyDer<'static>, ConfigError> {
    let bytes = bytes("key", path)?;
    PrivateKeyDer::from_pem_slice(&bytes).map_err(|_| ConfigError::Pem {
        what: "key",
        path: path.to_owned(),
        reason: "no private key without a passphrase is in it, in PEM".into(),
    })
}

fn bytes(what: &'static str, path: &Path) -> Result<Vec<u8>, ConfigError> {
    std::fs::read(path).map_err(|error| ConfigError::File {
        what,
        path: path.to_owned(),
        error,
    })
}
