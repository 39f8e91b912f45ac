defmodule Linx.Netlink.Port.Descriptor do
  @moduledoc """
  Closing a raw file descriptor, and turning one into a `:socket` socket.

  The BEAM has no documented way to close a descriptor that came to it from outside:
  `:socket.open/1` duplicates it and closes the duplicate only, and a port of `{:fd, in, out}` does
  not close it at all. What the BEAM closes its files with can do it. It is internal to OTP (there
  in OTP 25 to 29), so `check!/0` looks for it when a server starts: a clear message then is better
  than a leak for ever.

  ## Example

      iex> alias Linx.Netlink.Port.Descriptor
      iex> {:ok, fd} = Linx.Netlink.Port.Native.open_in_netns("/proc/self/ns/net", 0)
      iex> {:ok, socket} = Descriptor.adopt(fd, 0)
      iex> {Descriptor.bind(fd, 1), Descriptor.close(fd), Descriptor.adopt(fd, 0)}
      {:ok, :ok, {:error, :ebadf}}
      iex> {:ok, %{addr: <<_pad::16, _nl_pid::32, 1::native-32>>}} = :socket.sockname(socket)
      iex> :socket.close(socket)
      :ok
  """

  alias Linx.Netlink.Port.{Detached, What}

  @typedoc "A number in the BEAM's descriptor table."
  @type t() :: non_neg_integer()

  # How many close at the same time: for each processor one that works, while another is on its way. A BEAM
  # has ten dirty schedulers for it. Where there are few processors, more would be in each other's way.
  @closers_for_each 2
  @most_closers 16

  # Milliseconds.
  @flush_interval 100

  # include/uapi/asm-generic/socket.h.
  @sol_socket 1
  @so_type 3
  @so_protocol 38
  @so_domain 39
  @af_netlink 16

  @doc """
  Raises `RuntimeError` if this OTP can't close a raw descriptor.

  ## Example

      iex> Linx.Netlink.Port.Descriptor.check!()
      :ok
  """
  @spec check!() :: :ok
  def check! do
    {:module, :prim_file} = :code.ensure_loaded(:prim_file)

    if function_exported?(:prim_file, :file_desc_to_ref, 2) and
         function_exported?(:prim_file, :close, 1) do
      :ok
    else
      raise "Erlang/OTP #{System.otp_release()} has no :prim_file.file_desc_to_ref/2 and " <>
              ":prim_file.close/1, which :linx_netlink_port closes descriptors with; " <>
              "use a release that has (OTP 25 to 29 do)"
    end
  end

  @doc """
  Closes a descriptor. One that isn't open is left alone.

  It waits for a dirty scheduler, some 15 to 50 µs. Never close the same number twice: in between,
  it may have been given to somebody else.
  """
  @spec close(integer()) :: :ok
  def close(fd) when is_integer(fd) do
    with {:ok, ref} <- :prim_file.file_desc_to_ref(fd, [:raw]) do
      :prim_file.close(ref)
    end

    :ok
  end

  @doc """
  Closes descriptors, several at the same time.

  A process that closes one after the other is mostly on its way to a dirty scheduler and back.

  ## Example

      iex> path = "/proc/self/ns/net"
      iex> fds = for _ <- 1..40, {:ok, fd} <- [Linx.Netlink.Port.Native.open_in_netns(path, 0)], do: fd
      iex> {length(fds), Linx.Netlink.Port.Descriptor.close_all(fds)}
      {40, :ok}
      iex> fds |> Enum.map(&Linx.Netlink.Port.Descriptor.adopt(&1, 0)) |> Enum.uniq()
      [error: :ebadf]
  """
  @spec close_all([t()]) :: :ok
  def close_all([]), do: :ok
  def close_all([fd]), do: close(fd)

  def close_all(fds) do
    fds
    |> Enum.chunk_every(div(length(fds) - 1, closers()) + 1)
    |> Enum.map(fn part -> spawn_monitor(fn -> Enum.each(part, &close/1) end) end)
    |> Enum.each(fn {_pid, monitor} ->
      receive do: ({:DOWN, ^monitor, :process, _closer, _reason} -> :ok)
    end)
  end

  defp closers, do: min(@closers_for_each * System.schedulers_online(), @most_closers)

  @doc """
  Closes a descriptor when a socket of `:gen_tcp` or `:gen_udp` has been closed, and has written what it had to.

  ## Example

      iex> {:ok, udp} = :gen_udp.open(0)
      iex> {:ok, fd} = Linx.Netlink.Port.Native.open_in_netns("/proc/self/ns/net", 0)
      iex> Linx.Netlink.Port.Descriptor.close_after(fd, udp)
      iex> {File.exists?("/proc/self/fd/\#{fd}"), :gen_udp.close(udp)}
      {true, :ok}
  """
  @spec close_after(t(), :inet.socket()) :: :ok
  def close_after(fd, socket) do
    # It must not end with the application that it happens to be called by.
    Detached.detach(
      spawn(fn ->
        monitor = :inet.monitor(socket)

        receive do
          {:DOWN, ^monitor, _type, _socket, _info} -> await_flushed(socket)
        end

        close(fd)
      end)
    )
  end

  # A port that ends goes on to write what its peer has not taken yet. Its monitors hear of the end before that, and
  # later ones `:noproc`: nobody tells when it has written all.
  defp await_flushed(port) when is_port(port) do
    if Port.info(port, :id) do
      receive after: (@flush_interval -> await_flushed(port))
    end
  end

  defp await_flushed(_socket), do: nil

  @doc """
  A `:socket` socket, owned by the calling process, over a duplicate of the descriptor of a socket of this
  kind.

  The descriptor itself stays open. An error is the reason that `:socket.open/2` gives, such as `:ebadf`
  (it isn't open) or `:emfile` (the BEAM has no descriptor left for the duplicate); or `:eproto`: it is
  something else, a socket of another kind or a file.

  ## Example

      iex> {:ok, fd} = Linx.Netlink.Port.Native.open_in_netns("/proc/self/ns/net", 0)
      iex> for what <- [16, {16, 2, 0}, {2, 2, 17}], do: Linx.Netlink.Port.Descriptor.adopt(fd, what)
      [error: :eproto, error: :eproto, error: :eproto]
      iex> Linx.Netlink.Port.Native.close_fd(fd)
      :ok
  """
  @spec adopt(t(), integer() | What.numbers()) :: {:ok, :socket.socket()} | {:error, term()}
  def adopt(fd, what) do
    with {:ok, socket} <- duplicate(fd, what) do
      if what?(socket, What.told(what)) do
        {:ok, socket}
      else
        _ = :socket.close(socket)
        {:error, :eproto}
      end
    end
  end

  # Told what it is, the BEAM believes it, and a bad number is an error of its own.
  defp duplicate(fd, what, more \\ []) do
    {domain, type, protocol} = What.numbers(what)
    :socket.open(fd, Enum.into(more, %{domain: domain, type: type, protocol: protocol}))
  end

  defp what?(socket, {domain, type, protocol}) do
    option(socket, @so_domain) == domain and option(socket, @so_type) == type and
      (protocol == nil or option(socket, @so_protocol) == protocol)
  end

  # `nil` for what is no socket.
  defp option(socket, number) do
    case :socket.getopt_native(socket, {@sol_socket, number}, 4) do
      {:ok, <<value::native-32>>} -> value
      {:error, _reason} -> nil
    end
  end

  @doc """
  Binds a netlink socket of which the descriptor is known, like `bind(2)` would.

  Binding a duplicate binds the socket. But the duplicate must not be closed with `:socket.close/1`: that
  makes the socket *blocking*, also for whoever uses it through another descriptor, and the next receive
  of his would hold up a scheduler of the BEAM until something comes. A duplicate that goes with its
  owner goes without that. So a process is made its owner, and ends. The duplicate is gone when this returns.

  An error is the reason that `:socket` gives, such as `:ebadf` (it isn't open), `:enotsock` (it is no
  socket), `:einval` (it is bound already), `:eperm` (the groups take `CAP_NET_ADMIN`) or `:emfile`.
  """
  @spec bind(integer(), non_neg_integer()) :: :ok | {:error, term()}
  def bind(fd, groups) do
    # Any protocol would do: the socket is only borrowed. Nobody looks for it in the registry of sockets.
    with {:ok, duplicate} <- duplicate(fd, 0, use_registry: false) do
      outcome = :socket.bind(duplicate, address(groups))
      let_go(duplicate)
      outcome
    end
  end

  # The monitor must be younger than the ownership: an older one would tell of the owner's end before what he
  # owned is closed.
  defp let_go(socket) do
    caller = self()

    owner =
      spawn(fn ->
        Process.monitor(caller)
        receive do: (_end_or_down -> :ok)
      end)

    :ok = :socket.setopt(socket, {:otp, :controlling_process}, owner)
    monitor = Process.monitor(owner)
    send(owner, :end)
    receive do: ({:DOWN, ^monitor, :process, _owner, _reason} -> :ok)
  end

  @doc """
  An address for `:socket.bind/2`: a number chosen by the kernel, and these groups.

  ## Example

      iex> Linx.Netlink.Port.Descriptor.address(5)
      %{family: 16, addr: <<0::48, 5::native-32>>}
  """
  @spec address(non_neg_integer()) :: %{family: 16, addr: <<_::80>>}
  def address(groups) do
    %{family: @af_netlink, addr: <<0::16, 0::native-32, groups::native-32>>}
  end
end
