//! The tools for machines, storage, jobs, secrets and routes: arguments and results.

use domain::{Market, Money, Resources};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::tools::{Hints, Instance, Tool, WriteArgs};

/// Makes something; the token makes it safe to repeat.
const ADDS: Hints = Hints { read_only: false, destructive: false, idempotent: true };
/// May take something away; the token, or an absolute target, makes it safe to repeat.
const REPLACES: Hints = Hints { read_only: false, destructive: true, idempotent: true };

/// Arguments of [`ProvisionCompute`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ProvisionComputeArgs {
    /// The region.
    pub region: String,
    /// A name for the group of instances, unique within the region.
    pub name: String,
    /// The instance type, as get_quotas names it.
    pub instance_type: String,
    /// How many instances.
    #[schemars(range(min = 1, max = 1000))]
    pub count: u32,
    #[serde(flatten)]
    pub write: WriteArgs,
}

/// Arguments of [`LaunchSpot`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct LaunchSpotArgs {
    /// The region.
    pub region: String,
    /// A name for the group of instances, unique within the region.
    pub name: String,
    /// The instance type, as get_quotas names it.
    pub instance_type: String,
    /// How many instances.
    #[schemars(range(min = 1, max = 1000))]
    pub count: u32,
    /// Most nano-dollars an hour for one instance; by default the on-demand price.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_price_per_hour: Option<Money>,
    #[serde(flatten)]
    pub write: WriteArgs,
}

/// A group of bare instances, without a model on them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Compute {
    /// Its region.
    pub region: String,
    /// Its name.
    pub name: String,
    /// The type of its instances.
    pub instance_type: String,
    /// How its instances are bought.
    pub market: Market,
    /// Its instances.
    pub instances: Vec<Instance>,
}

/// Arguments of [`CreateStorageBucket`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct CreateStorageBucketArgs {
    /// The region.
    pub region: String,
    /// The bucket's name: 3 to 63 lower-case letters, digits and hyphens.
    #[schemars(regex(pattern = r"^[a-z0-9][a-z0-9-]{1,61}[a-z0-9]$"))]
    pub bucket: String,
    #[serde(flatten)]
    pub write: WriteArgs,
}

/// A storage bucket.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Bucket {
    /// Its region.
    pub region: String,
    /// Its name.
    pub bucket: String,
    /// Where it is: `s3://`, `gs://`, `https://` or `file://`.
    pub url: String,
}

/// Arguments of [`AttachVolume`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct AttachVolumeArgs {
    /// The region.
    pub region: String,
    /// The instance to attach it to.
    pub instance: String,
    /// The volume's name; it is made when there is none.
    pub volume: String,
    /// Its size in GiB.
    #[schemars(range(min = 1, max = 65536))]
    pub size_gib: u32,
    #[serde(flatten)]
    pub write: WriteArgs,
}

/// A block volume on an instance.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Volume {
    /// Its region.
    pub region: String,
    /// Its name.
    pub volume: String,
    /// The instance it is attached to.
    pub instance: String,
    /// Its size in GiB.
    pub size_gib: u32,
    /// The device on the instance.
    pub device: String,
}

/// Arguments of [`SubmitMlJob`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct SubmitMlJobArgs {
    /// The region.
    pub region: String,
    /// The job's name, unique within the region.
    pub job: String,
    /// The container image to run.
    pub image: String,
    /// Its command and arguments.
    #[serde(default)]
    #[schemars(length(max = 256))]
    pub command: Vec<String>,
    /// What it needs.
    pub resources: Resources,
    /// How its instance is bought.
    #[serde(default)]
    pub market: Market,
    /// Most hours it may run.
    #[schemars(range(min = 1, max = 720))]
    pub hours_max: u32,
    #[serde(flatten)]
    pub write: WriteArgs,
}

/// A job that runs to its end.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct MlJob {
    /// Its region.
    pub region: String,
    /// Its name.
    pub job: String,
    /// The id that its cloud gave it.
    pub id: String,
}

/// Arguments of [`RotateSecret`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct RotateSecretArgs {
    /// The region.
    pub region: String,
    /// The secret's name.
    pub secret: String,
    #[serde(flatten)]
    pub write: WriteArgs,
}

/// A version of a secret. Its value is never told.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct SecretVersion {
    /// The secret's name.
    pub secret: String,
    /// The id of its new version.
    pub version: String,
}

/// Arguments of [`FailoverRoute`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct FailoverRouteArgs {
    /// The route: a DNS name or a traffic manager's profile.
    pub route: String,
    /// Where it must point now; the call is refused when it points elsewhere.
    pub expected_current: String,
    /// Where it is to point.
    pub target: String,
    #[serde(flatten)]
    pub write: WriteArgs,
}

/// A route after its failover.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Route {
    /// The route.
    pub route: String,
    /// Where it points now.
    pub current: String,
    /// Where it pointed before.
    pub previous: String,
}

macro_rules! tool {
    ($(#[$doc:meta])* $tool:ident, $name:literal, $description:literal, $hints:expr, $args:ty, $output:ty) => {
        $(#[$doc])*
        pub enum $tool {}
        impl Tool for $tool {
            const NAME: &'static str = $name;
            const DESCRIPTION: &'static str = $description;
            const HINTS: Hints = $hints;
            type Args = $args;
            type Output = $output;
        }
    };
}
pub(super) use tool;

tool!(
    /// Starts bare instances.
    ProvisionCompute,
    "provision_compute",
    "Start a number of on-demand instances of one type.",
    ADDS,
    ProvisionComputeArgs,
    Compute
);
tool!(
    /// Starts bare spot instances.
    LaunchSpot,
    "launch_spot",
    "Start a number of spot instances of one type; the cloud may take them back.",
    ADDS,
    LaunchSpotArgs,
    Compute
);
tool!(
    /// Makes a bucket.
    CreateStorageBucket,
    "create_storage_bucket",
    "Create a storage bucket.",
    ADDS,
    CreateStorageBucketArgs,
    Bucket
);
tool!(
    /// Attaches a volume.
    AttachVolume,
    "attach_volume",
    "Attach a block volume to an instance, creating it when there is none.",
    ADDS,
    AttachVolumeArgs,
    Volume
);
tool!(
    /// Runs a job.
    SubmitMlJob,
    "submit_ml_job",
    "Run a container to its end: training, evaluation, batch inference.",
    ADDS,
    SubmitMlJobArgs,
    MlJob
);
tool!(
    /// Makes a new version of a secret.
    RotateSecret,
    "rotate_secret",
    "Make a new version of a secret. Returns the version's id, never the value.",
    REPLACES,
    RotateSecretArgs,
    SecretVersion
);
tool!(
    /// Points a route elsewhere.
    FailoverRoute,
    "failover_route",
    "Point a route at another target, if it points where the caller expects.",
    REPLACES,
    FailoverRouteArgs,
    Route
);
