defmodule Linx.Netlink.Port.Error do
  @moduledoc """
  Why a socket could not be had.

    * `:stage` is the step that failed: `:open` (finding or opening the namespace), `:setns`
      (entering it), `:userns`, `:fork` (entering its user namespace first, in a child process),
      `:socket`, `:setsockopt`, `:bind` (opening the socket and setting it up), `:send` (handing it
      over), `:thread` (the port program has no room for the request), or `:port` (the port program
      itself can't be used);
    * `:errno` is the error as an atom, such as `:eperm`, and `:code` the same as the kernel's number;
    * `:netns` and `:protocol` are what was asked for.

  It is an exception, so that it can be raised, and `Exception.message/1` says what failed, on what,
  and, where there is a usual cause, what to do:

      iex> error = Linx.Netlink.Port.Error.new(:open, 2, {:name, "blue"}, :route)
      iex> Exception.message(error)
      "could not open the network namespace \\"blue\\" (/run/netns/blue): " <>
        "no such file or directory (ENOENT); `ip netns list` shows the names there are"
  """

  alias Linx.Netlink.Port.{Errno, Netns}

  @typedoc "The step that failed."
  @type stage() ::
          :open
          | :setns
          | :userns
          | :fork
          | :socket
          | :setsockopt
          | :bind
          | :send
          | :thread
          | :port

  @type t() :: %__MODULE__{
          stage: stage(),
          errno: atom(),
          code: pos_integer(),
          netns: Netns.t() | nil,
          protocol: Linx.Netlink.Port.Protocol.t() | nil
        }

  defexception [:stage, :errno, :code, :netns, :protocol]

  @doc "An error from the step that failed and its error number."
  @spec new(stage(), pos_integer(), term(), term()) :: t()
  def new(stage, code, netns \\ nil, protocol \\ nil) do
    %__MODULE__{
      stage: stage,
      errno: Errno.to_atom(code),
      code: code,
      netns: netns,
      protocol: protocol
    }
  end

  @impl true
  def message(%__MODULE__{} = error) do
    "could not #{attempt(error)}: #{Errno.describe(error.code)}#{remedy(error)}"
  end

  defp attempt(%{stage: :open} = error), do: "open #{Netns.describe(error.netns)}"
  defp attempt(%{stage: :setns} = error), do: "enter #{Netns.describe(error.netns)}"

  defp attempt(%{stage: :userns} = error),
    do: "enter the user namespace of #{Netns.describe(error.netns)}"

  defp attempt(%{stage: :fork} = error),
    do: "have a child process enter #{Netns.describe(error.netns)}"

  defp attempt(%{stage: :socket} = error), do: "open #{socket(error)}"
  defp attempt(%{stage: :setsockopt} = error), do: "set an option of #{socket(error)}"
  defp attempt(%{stage: :bind} = error), do: "bind #{socket(error)}"
  defp attempt(%{stage: :send} = error), do: "hand over #{socket(error)}"
  defp attempt(%{stage: :thread, netns: nil}), do: "find room in the port program"

  defp attempt(%{stage: :thread} = error),
    do: "find room in the port program for #{socket(error)}"

  defp attempt(%{stage: :port, netns: nil}), do: "use the port program"
  defp attempt(%{stage: :port} = error), do: "use the port program for #{socket(error)}"

  defp socket(%{protocol: nil} = error), do: "a netlink socket in #{Netns.describe(error.netns)}"

  defp socket(%{protocol: protocol} = error) do
    "a netlink socket of protocol #{inspect(protocol)} in #{Netns.describe(error.netns)}"
  end

  defp remedy(error) do
    case hint(error) do
      nil -> ""
      hint -> "; " <> hint
    end
  end

  defp hint(%{stage: :open, errno: :enoent, netns: {:name, _name}}),
    do: "`ip netns list` shows the names there are"

  defp hint(%{stage: :open, errno: errno, netns: {:pid, _pid}}) when errno in [:enoent, :esrch],
    do: "there is no such process (any more)"

  defp hint(%{stage: :open, errno: :eacces}),
    do:
      "the port program may not look at it: for another user's process it takes CAP_SYS_PTRACE, " <>
        "for a name the permission to search the directories on the way; or its arguments forbid it " <>
        "(--netns-dir, --no-pid)"

  defp hint(%{stage: :open, errno: :einval}), do: "a path can't contain a NUL byte"
  defp hint(%{stage: :open, errno: :enametoolong}), do: "a path has at most 4095 bytes"

  defp hint(%{errno: :emfile, netns: :host}),
    do: "the BEAM has no descriptor left; raise its `ulimit -n`"

  defp hint(%{stage: stage, errno: :emfile}) when stage in [:open, :userns, :fork, :socket],
    do: "the port program has as many descriptors open as its limit (`ulimit -n`) allows"

  defp hint(%{stage: :setns, errno: :eperm}),
    do:
      "entering a network namespace takes CAP_SYS_ADMIN: run the port program as root, give it the " <>
        "capability (`script/install`), or start it with a :launcher; one that " <>
        "belongs to a user namespace of the same user takes nothing, without --no-userns"

  defp hint(%{stage: :setns, errno: :einval}),
    do:
      "it is there, but it is not a network namespace: a name in /run/netns is an empty file after " <>
        "its namespace was unmounted (stale), and before `ip netns add` has mounted it (not ready yet)"

  defp hint(%{stage: :userns}),
    do:
      "it belongs to a user namespace that is gone, or that this kernel does not let anybody enter"

  defp hint(%{stage: :fork, errno: :eownerdead}),
    do: "the child was killed before it had the socket; the request may be made again"

  defp hint(%{stage: :fork, errno: :eagain}),
    do: "the port program's user has as many processes as its limit (`ulimit -u`) allows"

  defp hint(%{stage: :socket, errno: :eprotonosupport}),
    do: "the kernel knows no such netlink protocol, or its module is not there"

  defp hint(%{stage: :socket, errno: :eacces}),
    do: "the port program's arguments forbid this protocol (--protocol)"

  defp hint(%{stage: :setsockopt, errno: :eacces}),
    do: "a buffer is larger than the port program's arguments allow (--max-buffer)"

  defp hint(%{stage: stage, errno: :eperm, netns: :host}) when stage in [:setsockopt, :bind],
    do: "this takes CAP_NET_ADMIN in the BEAM (:listen_all_nsid takes CAP_NET_BROADCAST)"

  defp hint(%{stage: stage, errno: :eperm}) when stage in [:setsockopt, :bind],
    do: "this takes CAP_NET_ADMIN in the port program (:listen_all_nsid takes CAP_NET_BROADCAST)"

  defp hint(%{stage: :send, errno: :etoomanyrefs}),
    do: "too many descriptors are on their way to the BEAM; raise its `ulimit -n`"

  defp hint(%{stage: :thread, errno: :eagain}),
    do: "too many requests are in flight (--max-in-flight) or no thread could be started"

  defp hint(%{stage: :port} = error), do: port_hint(error.errno)
  defp hint(_error), do: nil

  defp port_hint(:enoent),
    do: "it is not there: `mix compile` builds it, the option :executable says where it is"

  defp port_hint(:eacces),
    do: "it can't be run: it must be a file with the permission to execute it"

  defp port_hint(:epipe),
    do: "it died, or its server is not running; the next call starts it again"

  defp port_hint(:enotconn),
    do:
      "the application :linx_netlink_port isn't started; " <>
        "`Application.ensure_all_started(:linx_netlink_port)` starts it"

  defp port_hint(:etimedout), do: "it did not answer in time"
  defp port_hint(:eproto), do: "what it says is not the protocol of this version"
  defp port_hint(:emfile), do: "the BEAM has no descriptor left; raise its `ulimit -n`"

  defp port_hint(:emsgsize),
    do: "the request is larger than the 1 MiB that the port program takes"

  defp port_hint(:einval),
    do: "it was asked from another node, or refused an argument, and the log says which"

  defp port_hint(errno) when errno in [:eagain, :enomem],
    do: "the system has no process or no memory left for it"

  defp port_hint(_errno), do: nil
end
