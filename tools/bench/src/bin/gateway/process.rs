//! The processes compared: started on a core of their own, measured through `/proc`, ended with the bench.

use std::io::{BufRead as _, BufReader};
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use anyhow::{Context, ensure};

/// A running process that listens on a port.
pub(crate) struct Process {
    child: Child,
    pub(crate) port: u16,
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended already; then there is nothing to end.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Process {
    /// This binary in another role; it prints its port first.
    pub(crate) fn start_role(role: &[&str], core: usize) -> anyhow::Result<Self> {
        let mut command = pinned(core);
        let mut child = command.arg(std::env::current_exe()?).args(role).stdout(Stdio::piped()).spawn()?;
        let output = child.stdout.take().context("its output is piped")?;
        let mut line = String::new();
        BufReader::new(output).read_line(&mut line)?;
        let port = line.trim().parse().with_context(|| format!("{role:?} printed no port but {line:?}"))?;
        Ok(Self { child, port })
    }

    /// nginx as a proxy: one process, connections kept, nothing logged or buffered.
    pub(crate) fn start_nginx(folder: &Path, upstream: u16, core: usize) -> anyhow::Result<Self> {
        let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        let folder_name = folder.display();
        let config = format!(
            "daemon off; master_process off; pid {folder_name}/pid; error_log {folder_name}/error.log;\n\
             events {{ worker_connections 1024; }}\n\
             http {{ access_log off; client_body_temp_path {folder_name}; proxy_temp_path {folder_name};\n\
               fastcgi_temp_path {folder_name}; uwsgi_temp_path {folder_name}; scgi_temp_path {folder_name};\n\
               keepalive_requests 1000000; client_max_body_size 32m;\n\
               upstream replica {{ server 127.0.0.1:{upstream}; keepalive 512; keepalive_requests 1000000; }}\n\
               server {{ listen 127.0.0.1:{port}; location / {{ proxy_pass http://replica; proxy_http_version 1.1;\n\
                 proxy_set_header Connection \"\"; proxy_buffering off; }} }} }}\n"
        );
        let path = folder.join("nginx.conf");
        std::fs::write(&path, config)?;
        let mut command = pinned(core);
        command.arg(nginx()).arg("-p").arg(folder).arg("-c").arg(&path).stderr(Stdio::null());
        let child = command.spawn().context("nginx does not start; install it: apt-get install nginx-light")?;
        Ok(Self { child, port })
    }

    /// CPU time of all its threads, in nanoseconds.
    pub(crate) fn cpu_nanos(&self) -> anyhow::Result<u64> {
        let mut nanos = 0;
        for thread in std::fs::read_dir(format!("/proc/{}/task", self.child.id()))? {
            let statistics = std::fs::read_to_string(thread?.path().join("schedstat"))?;
            nanos += statistics.split_whitespace().next().context("an empty schedstat")?.parse::<u64>()?;
        }
        Ok(nanos)
    }

    /// The most memory it ever held, in megabytes.
    pub(crate) fn peak_memory_mb(&self) -> anyhow::Result<f64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id()))?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).context("no VmHWM")?;
        let kilobytes: f64 = line.trim().trim_end_matches("kB").trim().parse()?;
        Ok(kilobytes / 1_024.0)
    }
}

/// A command on that core, or on any when the machine has only one.
fn pinned(core: usize) -> Command {
    let mut command = Command::new("taskset");
    command.arg("-c").arg(core.min(last_core()).to_string());
    command
}

/// Pins this process, and with it the load.
pub(crate) fn pin_self(core: usize) -> anyhow::Result<()> {
    let own = std::process::id().to_string();
    let status = Command::new("taskset").args(["-p", "-c", &core.to_string(), &own]).stdout(Stdio::null()).status()?;
    ensure!(status.success(), "taskset cannot pin this process");
    Ok(())
}

fn last_core() -> usize {
    // Not `available_parallelism`, which says how many this pinned process may use.
    std::fs::read_to_string("/proc/cpuinfo")
        .map_or(0, |text| text.lines().filter(|line| line.starts_with("processor")).count().saturating_sub(1))
}

fn nginx() -> &'static str {
    // Debian keeps it where only root's search path looks.
    if Path::new("/usr/sbin/nginx").exists() { "/usr/sbin/nginx" } else { "nginx" }
}
