defmodule Linx.Netlink.Port.Error do
  @moduledoc """
  Why a socket could not be had.

    * `:stage` is the step that failed: `:open` (finding or opening the namespace), `:setns`
      (entering it), `:unshare` (making a new one), `:userns`, `:fork` (entering its user namespace first,
      in a child process), `:socket`, `:setsockopt`, `:bind`, `:listen` (opening the socket and setting it
      up), `:send` (handing it
      over), `:thread` (the port program has no room for the request), or `:port` (the port program
      itself can't be used);
    * `:errno` is the error as an atom, such as `:eperm`, and `:code` the same as the kernel's number;
    * `:netns` and `:protocol` are what was asked for: where, and which kind of descriptor, as `open/3` takes
      it, or `:netns` for the namespace itself;
    * `:cause` is what the number alone doesn't tell, where there is such a thing, else `nil`: `:no_server` (the
      server is not running), `:other_node` (it was asked from another node), `:no_launcher` (the launcher is
      not there), `:bad_rendezvous` (the directory of the setting `:rendezvous` is open to others).

  It is an exception, so that it can be raised, and `Exception.message/1` says what failed, on what,
  and, where there is a usual cause, what to do:

      iex> error = Linx.Netlink.Port.Error.new(:open, 2, {:name, "blue"}, :route)
      iex> Exception.message(error)
      "could not open the network namespace \\"blue\\" (/run/netns/blue, /var/run/netns/blue): " <>
        "no such file or directory (ENOENT); `ip netns list` shows the names there are"
  """

  alias Linx.Netlink.Port.{Errno, Netns, Text, What}

  # Ubuntu's, Debian's, and the kernel's.
  @user_namespaces "kernel.apparmor_restrict_unprivileged_userns, kernel.unprivileged_userns_clone, " <>
                     "user.max_user_namespaces"

  @typedoc "The step that failed."
  @type stage() ::
          :open
          | :setns
          | :unshare
          | :userns
          | :fork
          | :socket
          | :setsockopt
          | :bind
          | :listen
          | :send
          | :thread
          | :port

  @type t() :: %__MODULE__{
          stage: stage(),
          errno: atom(),
          code: pos_integer(),
          netns: Netns.t() | nil,
          protocol: What.t() | :netns | nil,
          cause: Errno.reason() | nil
        }

  defexception [:stage, :errno, :code, :netns, :protocol, :cause]

  @doc "An error from the step that failed and its error number, or the cause."
  @spec new(stage(), Errno.reason(), term(), term()) :: t()
  def new(stage, reason, netns \\ nil, protocol \\ nil) do
    code = Errno.to_code(reason)

    %__MODULE__{
      stage: stage,
      errno: Errno.to_atom(code),
      code: code,
      netns: netns,
      protocol: protocol,
      cause: if(is_atom(reason), do: reason)
    }
  end

  @impl true
  def message(%__MODULE__{} = error) do
    Text.printable("could not #{attempt(error)}: #{Errno.describe(error.code)}#{remedy(error)}")
  end

  defp attempt(%{stage: :open} = error), do: "open #{Netns.describe(error.netns)}"
  defp attempt(%{stage: :setns} = error), do: "enter #{Netns.describe(error.netns)}"

  defp attempt(%{stage: :unshare} = error), do: "make #{Netns.describe(error.netns)}"

  defp attempt(%{stage: :userns} = error),
    do: "enter the user namespace of #{Netns.describe(error.netns)}"

  defp attempt(%{stage: :fork} = error),
    do: "have a child process enter #{Netns.describe(error.netns)}"

  defp attempt(%{stage: :socket} = error), do: "open #{socket(error)}"
  defp attempt(%{stage: :setsockopt} = error), do: "set an option of #{socket(error)}"
  defp attempt(%{stage: :bind} = error), do: "bind #{socket(error)}"
  defp attempt(%{stage: :listen} = error), do: "listen on #{socket(error)}"
  defp attempt(%{stage: :send} = error), do: "hand over #{socket(error)}"
  defp attempt(%{stage: :thread, netns: nil}), do: "find room in the port program"

  defp attempt(%{stage: :thread} = error),
    do: "find room in the port program for #{socket(error)}"

  defp attempt(%{stage: :port, netns: nil}), do: "use the port program"
  defp attempt(%{stage: :port} = error), do: "use the port program for #{socket(error)}"

  defp socket(%{protocol: :netns} = error),
    do: "#{What.describe(:netns)} of #{Netns.describe(error.netns)}"

  defp socket(error), do: "#{What.describe(error.protocol)} in #{Netns.describe(error.netns)}"

  defp remedy(error) do
    case hint(error) do
      nil -> ""
      hint -> "; " <> hint
    end
  end

  defp hint(%{stage: :open, errno: :enoent, netns: {:name, _name}}),
    do: "`ip netns list` shows the names there are"

  defp hint(%{stage: :open, errno: :enoent, netns: path}) when is_binary(path) do
    if path != "" and not String.contains?(path, "/"),
      do: "that is a path; the name of a namespace is {:name, #{Text.quoted(path)}}"
  end

  defp hint(%{stage: :open, errno: errno, netns: {:pid, _pid}}) when errno in [:enoent, :esrch],
    do: "there is no such process (any more)"

  defp hint(%{stage: :open, errno: :ebadf}),
    do: "it is closed: by close_netns/1, or with the process that it belonged to"

  defp hint(%{stage: :open, errno: :eacces, netns: %Netns{}}),
    do:
      "the port program's arguments let it take no namespace by a descriptor (--no-fd, --netns-dir)"

  defp hint(%{stage: :open, errno: :eacces, protocol: :netns}),
    do:
      "the port program may not look at it, or its arguments forbid to hand it over (--no-netns, " <>
        "--netns-dir, --no-pid)"

  defp hint(%{stage: :open, errno: :eacces}),
    do:
      "the port program may not look at it: for another user's process it takes CAP_SYS_PTRACE, " <>
        "for a name the permission to search the directories on the way; or its arguments forbid it " <>
        "(--netns-dir, --no-pid)"

  defp hint(%{stage: :open, errno: :einval}), do: "a path can't contain a NUL byte"

  defp hint(%{stage: :open, errno: :enametoolong, netns: {:name, _name}}),
    do: "a name has at most 255 bytes"

  defp hint(%{stage: :open, errno: :enametoolong}),
    do: "a path has at most 4095 bytes, and each name in it at most 255"

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
      "it is there, but it is not a network namespace: a name of `ip netns` is an empty file after " <>
        "its namespace was unmounted (stale), and before `ip netns add` has mounted it (not ready yet)"

  defp hint(%{stage: :unshare, errno: :eacces}),
    do:
      "the port program's arguments forbid to make one (--no-new, --no-userns, --netns-dir), or the system " <>
        "lets ordinary users make no user namespace (" <> @user_namespaces <> ")"

  defp hint(%{stage: :unshare, errno: :eperm}),
    do:
      "the system lets ordinary users make no user namespace: look at " <>
        @user_namespaces <> "; with CAP_SYS_ADMIN none is needed"

  defp hint(%{stage: :unshare, errno: errno}) when errno in [:enospc, :eusers],
    do:
      "there are as many as a limit allows: user.max_net_namespaces, or user.max_user_namespaces; " <>
        "close_netns/1 closes one"

  defp hint(%{stage: :userns}),
    do:
      "it belongs to a user namespace that is gone, or that this kernel does not let anybody enter"

  defp hint(%{stage: :fork, errno: :eownerdead}),
    do: "the child was killed before it had the socket; the request may be made again"

  defp hint(%{stage: :fork, errno: :eagain}),
    do: "the port program's user has as many processes as its limit (`ulimit -u`) allows"

  defp hint(%{stage: :socket, errno: :eprotonosupport}),
    do: "the kernel knows no such protocol, or its module is not there"

  defp hint(%{stage: :socket, errno: :eacces}),
    do: "the port program's arguments forbid such a socket (--family, --protocol)"

  defp hint(%{stage: :socket, errno: :eperm, netns: :host}),
    do: "raw and packet sockets take CAP_NET_RAW in the BEAM"

  defp hint(%{stage: :socket, errno: :eperm}),
    do: "raw and packet sockets take CAP_NET_RAW in the port program"

  defp hint(%{stage: :bind, errno: :eacces, netns: :host}),
    do: "a port below 1024 takes CAP_NET_BIND_SERVICE in the BEAM"

  defp hint(%{stage: :bind, errno: :eacces}),
    do:
      "a port below 1024 takes CAP_NET_BIND_SERVICE in the port program; it binds no unix socket to a " <>
        "path in the file system"

  defp hint(%{stage: stage, errno: :eaddrinuse}) when stage in [:bind, :listen],
    do:
      "another socket of that namespace has this address; :reuseaddr helps where it is closed already"

  defp hint(%{stage: :bind, errno: :eaddrnotavail}),
    do: "no interface of that namespace has this address; with :freebind it need not be there yet"

  defp hint(%{stage: :setsockopt, errno: :enodev}),
    do: "there is no such interface in that namespace"

  defp hint(%{stage: :setsockopt, errno: :einval, protocol: protocol})
       when not is_tuple(protocol),
       do: "this protocol has no such group (:memberships)"

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

  defp hint(%{stage: :port, cause: nil} = error), do: port_hint(error.errno)
  defp hint(%{stage: :port} = error), do: cause_hint(error.cause)
  defp hint(_error), do: nil

  defp cause_hint(:no_server),
    do: "its server is not running: is the name (:server) right, and has it been started?"

  defp cause_hint(:other_node),
    do:
      "its server is on another node, and a socket can't be sent to this one; ask a server of this node"

  defp cause_hint(:no_launcher),
    do: "its launcher is not there; the setting :launcher says which command it is"

  defp cause_hint(:bad_rendezvous),
    do: "the directory of the setting :rendezvous must be the BEAM's user's alone (mode 0700)"

  defp cause_hint(_cause), do: nil

  defp port_hint(:enoent),
    do: "it is not there: `mix compile` builds it, the option :executable says where it is"

  defp port_hint(:eacces),
    do: "it can't be run: it must be a file with the permission to execute it"

  defp port_hint(:epipe),
    do: "it ended before it answered, and the log says how"

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
    do: "it refused an argument, and the log says which"

  defp port_hint(:eaddrinuse),
    do:
      "somebody else listens at the address of the setting :rendezvous; each server needs one of its own"

  defp port_hint(errno) when errno in [:eagain, :enomem],
    do: "the system has no process or no memory left for it"

  defp port_hint(_errno), do: nil
end
