//! The region that a profile names.

use aws_config::meta::region::ProvideRegion;
use aws_config::profile::region::ProfileFileRegionProvider;
use futures::FutureExt;

/// The region of this profile, else of AWS_PROFILE's or the default one, in `~/.aws/config`. The provider reads files without
/// ever waiting, so no runtime is needed.
pub fn of_profile(profile: Option<&str>) -> Option<String> {
    let mut provider = ProfileFileRegionProvider::builder();
    if let Some(profile) = profile {
        provider = provider.profile_name(profile);
    }
    let region = provider.build().region().now_or_never()??;
    Some(region.to_string())
}
