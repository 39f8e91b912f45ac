defmodule Linx.Netlink.Port.Program.Status do
  @moduledoc """
  An exit status in words, and what it says of the cause. The port program's name comes in words, too.

      iex> alias Linx.Netlink.Port.Program.Status
      iex> Status.before_hello("the port program /bin/true", 3)
      "the port program /bin/true ended with status 3 before it said hello; it could not reach the rendezvous"
      iex> Status.after_hello("the port program /bin/true", 137)
      "the port program /bin/true ended with status 137; it is started again when it is needed"
  """

  alias Linx.Netlink.Port.Program.Executable
  alias Linx.Netlink.Port.{Errno, Text}

  @eaddrinuse 98

  @doc "Why one could not be started, to be met at this address."
  @spec not_started(String.t(), Errno.reason(), String.t() | nil) :: String.t()
  def not_started(program, :bad_rendezvous, address) do
    "#{program} can't be started: the directory of the rendezvous #{Text.short(address)} " <>
      "must be the BEAM's user's alone (mode 0700)"
  end

  def not_started(program, @eaddrinuse, address) do
    "#{program} can't be started: somebody else listens at the rendezvous " <>
      "#{Text.short(address || "")}, or has put a file there; each server needs one of its own"
  end

  def not_started(program, code, _address),
    do: "#{program} can't be started: #{Errno.describe(code)}"

  @doc "Of a port program that was up."
  @spec after_hello(String.t(), non_neg_integer()) :: String.t()
  def after_hello(program, status),
    do: "#{program} ended with status #{status}; it is started again when it is needed"

  @doc "Of a port program that was not up yet."
  @spec before_hello(String.t(), non_neg_integer()) :: String.t()
  def before_hello(program, status),
    do: "#{program} ended with status #{status} before it said hello" <> of_program(status)

  @doc "Of a launcher: the port program's, if it hands that on."
  @spec launched(Executable.t(), String.t(), non_neg_integer()) :: String.t()
  def launched(executable, program, status) do
    "the launcher #{Text.short(executable.command)} of #{program} ended with status #{status} " <>
      "before the port program said hello" <> of_launcher(status)
  end

  defp of_program(0), do: "; it did not even try: is it the right file?"

  # Its own, or the error number of an execve(2) that failed.
  defp of_program(1) do
    case bounded() do
      [] -> "; what it wrote on the BEAM's stderr says why"
      names -> "; the BEAM's bounding set lacks #{Enum.join(names, ", ")}: " <> not_executed()
    end
  end

  defp of_program(2),
    do: "; it did not take its arguments: is it the right file, and are :args right?"

  defp of_program(3), do: "; it could not reach the rendezvous"

  defp of_program(4),
    do: "; the BEAM's stderr is no pipe, file, terminal, null device or unix socket"

  defp of_program(8), do: "; it is no program that this machine can run"
  defp of_program(101), do: "; what it wrote on the BEAM's stderr tells of the fault in it"
  defp of_program(status) when status > 128, do: "; signal #{status - 128} ended it"
  defp of_program(_status), do: ""

  defp of_launcher(0), do: "; is it to start the port program, and not to leave it alone?"

  defp of_launcher(1),
    do: "; what it wrote on the BEAM's stderr says why: may it start this without a password?"

  defp of_launcher(2), do: "; it or the port program did not take its arguments"

  defp of_launcher(3),
    do:
      "; the port program could not reach the rendezvous: is it in the BEAM's network namespace?"

  defp of_launcher(status) when status in [126, 127],
    do: "; it could not run the port program"

  defp of_launcher(status), do: of_program(status)

  defp bounded do
    case File.read("/proc/self/status") do
      {:ok, status} -> Executable.unbounded(status)
      {:error, _reason} -> []
    end
  end

  defp not_executed,
    do: "if its file has one of them, the kernel does not execute it (operation not permitted)"
end
