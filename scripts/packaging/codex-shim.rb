# A Homebrew formula for a tap of your own. docs/install.md shows how to install from it.
#
# HOMEBREW_CODEX_SHIM_GIT is the address of the repository, for example the path of a checkout. There is no stable
# version here, because that needs the address of a release.
class CodexShim < Formula
  desc "Local proxy for Codex CLI and Desktop: one port, every model, native streams"
  homepage ENV.fetch("HOMEBREW_CODEX_SHIM_GIT")
  license "MIT"
  head ENV.fetch("HOMEBREW_CODEX_SHIM_GIT"), using: :git, branch: "main"

  depends_on "uv" => :build
  depends_on "python@3.13"

  def install
    requirements = buildpath/"requirements.txt"
    system "uv", "export", "--frozen", "--no-default-groups", "--no-emit-project", "--output-file", requirements
    system "uv", "venv", "--python", Formula["python@3.13"].opt_bin/"python3.13", libexec
    pip = ["uv", "pip", "install", "--python", libexec/"bin/python"]
    system(*pip, "--require-hashes", "--requirement", requirements)
    system(*pip, "--no-deps", buildpath)
    bin.install_symlink libexec/"bin/codex-shim", libexec/"bin/codex-shim-install-cursor-composer"
    generate_completions_from_executable(bin/"codex-shim", "completion")
  end

  service do
    run [opt_bin/"codex-shim", "serve"]
    keep_alive true
    log_path var/"log/codex-shim.log"
    error_log_path var/"log/codex-shim.log"
  end

  test do
    assert_match(/\Acodex-shim \d+\.\d+/, shell_output("#{bin}/codex-shim --version"))
    assert_match "shim-demo", shell_output("#{bin}/codex-shim list")
  end
end
