//! Settings that the environment gives without naming us: the variables and files of the providers' own tools. They are the weakest
//! of all, and an instance that says by itself who it is takes none of theirs.

use std::collections::BTreeMap;

use super::env::Environment;
use super::providers::secret;
use crate::credentials;
use crate::providers::{Borrowed, Instance, Provider};
use crate::secret::Secret;

/// What an instance has been given so far.
pub struct Settings<'a> {
    pub key: &'a mut Option<Secret>,
    pub options: &'a mut BTreeMap<&'static str, String>,
    pub secrets: &'a mut BTreeMap<&'static str, Secret>,
}

/// Completes an instance by what its provider's row names. The error says which variable is wrong.
pub fn complete(provider: &'static Provider, env: &Environment, mut settings: Settings<'_>) -> Result<(), String> {
    for borrowed in provider.borrowed {
        match borrowed {
            Borrowed::Variables { unless, variables } => {
                let is_wanted = !unless.iter().any(|setting| settings.has(setting));
                if is_wanted && variables.first().is_some_and(|(variable, _)| env.set(variable).is_some()) {
                    for (variable, setting) in *variables {
                        settings.take(variable, setting, env)?;
                    }
                }
            }
            Borrowed::ProfilesRegion if !settings.has("region") => {
                let profile = settings.options.get("profile").map(String::as_str);
                if let Some(region) = credentials::aws::of_profile(profile) {
                    settings.options.insert("region", region);
                }
            }
            Borrowed::ProfilesRegion => {}
        }
    }
    Ok(())
}

impl Settings<'_> {
    fn has(&self, setting: &str) -> bool {
        match setting {
            "api_key" => self.key.is_some(),
            setting => self.options.contains_key(setting) || self.secrets.contains_key(setting),
        }
    }

    fn take(&mut self, variable: &str, setting: &'static str, env: &Environment) -> Result<(), String> {
        let Some(value) = env.set(variable) else { return Ok(()) };
        let hidden = || secret(value).map_err(|why| format!("{variable} {why}"));
        if setting == "api_key" {
            *self.key = Some(hidden()?);
        } else if Instance::is_secret(setting) {
            self.secrets.insert(setting, hidden()?);
        } else {
            self.options.insert(setting, value.trim().to_owned());
        }
        Ok(())
    }
}
