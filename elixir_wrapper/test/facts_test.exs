defmodule Linx.Netlink.Port.FactsTest do
  @moduledoc """
  What the wrapper takes for granted about `:socket` and `:prim_file`, one test for each fact. Part of it
  is documented nowhere: a release of OTP that changes it is to be noticed here, by name.
  """

  use Linx.Netlink.Port.Test.Case

  # SOL_SOCKET and SO_PEERCRED, whose answer is three integers.
  @peercred {1, 17}

  @stranded Path.expand("fixtures/stranded.exs", __DIR__)

  defp netlink do
    {:ok, socket} = :socket.open(16, :raw, 0)
    socket
  end

  defp fd(socket) do
    {:ok, fd} = :socket.getopt(socket, {:otp, :fd})
    fd
  end

  defp open?(fd), do: File.exists?("/proc/self/fd/#{fd}")

  defp nonblocking?(fd), do: flag?(fd, 0o4000)

  defp flag?(fd, flag) do
    [_all, octal] = Regex.run(~r/flags:\s+(\d+)/, File.read!("/proc/self/fdinfo/#{fd}"))
    Bitwise.band(String.to_integer(octal, 8), flag) != 0
  end

  defp listener do
    path = <<0, "lnp-facts-#{System.pid()}-#{System.unique_integer([:positive])}">>
    {:ok, listener} = :socket.open(:local, :seqpacket, 0)
    :ok = :socket.bind(listener, %{family: :local, path: path})
    :ok = :socket.listen(listener)
    {listener, path}
  end

  defp connect(path) do
    {:ok, socket} = :socket.open(:local, :seqpacket, 0)
    :ok = :socket.connect(socket, %{family: :local, path: path})
    socket
  end

  defp connected do
    {listener, path} = listener()
    near = connect(path)
    {:ok, far} = :socket.accept(listener)
    :ok = :socket.close(listener)
    {near, far}
  end

  defp send_descriptors(socket, fds) do
    data = for fd <- fds, into: <<>>, do: <<fd::native-32>>
    rights = %{level: :socket, type: :rights, data: data}
    :ok = :socket.sendmsg(socket, %{iov: ["x"], ctrl: [rights]})
  end

  defp close(fd) do
    {:ok, ref} = :prim_file.file_desc_to_ref(fd, [:raw])
    :prim_file.close(ref)
  end

  test "descriptors arrive as a control message of native integers, close-on-exec if asked for" do
    {near, far} = connected()
    fds = [fd(near), fd(far)]
    send_descriptors(near, fds)
    {:ok, message} = :socket.recvmsg(far, 0, 0, [:cmsg_cloexec], 1_000)
    assert %{iov: ["x"], ctrl: [%{level: :socket, type: :rights, data: data}]} = message
    assert <<one::native-32, two::native-32>> = data
    refute :ctrunc in message.flags

    for fd <- [one, two] do
      refute fd in fds
      assert flag?(fd, 0o2000000)
      assert :ok = close(fd)
    end
  end

  test "descriptors that find no room are dropped, and the flags say :ctrunc" do
    {near, far} = connected()
    send_descriptors(near, [1, 1, 1, 1, 1])
    # Room for the header of a control message, and two descriptors.
    {:ok, message} = :socket.recvmsg(far, 0, 24, [:cmsg_cloexec], 1_000)
    assert %{flags: flags, ctrl: [%{type: :rights, data: data}]} = message
    assert :ctrunc in flags
    arrived = for <<fd::native-32 <- data>>, do: fd
    assert length(arrived) == 2
    Enum.each(arrived, &close/1)
  end

  test "the end of a connection that keeps boundaries is an empty message, again and again" do
    {near, far} = connected()
    :ok = :socket.close(near)

    for _time <- 1..3 do
      assert {:ok, %{iov: [""], ctrl: []}} = :socket.recvmsg(far, 0, 0, [:cmsg_cloexec], 1_000)
      assert {:ok, %{iov: [""], ctrl: []}} = :socket.recvmsg(far, 0, 0, [], :nowait)
    end
  end

  test "a message keeps its boundaries" do
    {near, far} = connected()
    for text <- ["one", "two"], do: :ok = :socket.send(near, text)
    for text <- ["one", "two"], do: assert({:ok, %{iov: [^text]}} = :socket.recvmsg(far))
  end

  test "accept and recvmsg with :nowait return at once, and a message tells when to ask again" do
    {listener, path} = listener()
    assert {:select, {:select_info, _tag, ref}} = :socket.accept(listener, :nowait)
    near = connect(path)
    assert_receive {:"$socket", ^listener, :select, ^ref}, 1_000
    assert {:ok, far} = :socket.accept(listener, :nowait)

    assert {:select, {:select_info, _tag, ref}} = :socket.recvmsg(far, 0, 0, [], :nowait)
    :ok = :socket.send(near, "there")
    assert_receive {:"$socket", ^far, :select, ^ref}, 1_000
    assert {:ok, %{iov: ["there"]}} = :socket.recvmsg(far, 0, 0, [], :nowait)
  end

  test "a receive that waits for nothing leaves a message that was asked for on its way" do
    {near, far} = connected()
    assert {:error, :timeout} = :socket.recvmsg(far, 0, 0, [], 0)

    # In whichever order the two take notice.
    for _time <- 1..200 do
      assert {:select, _info} = :socket.recvmsg(far, 0, 0, [], :nowait)
      :ok = :socket.send(near, "polled")
      assert {:ok, %{iov: ["polled"]}} = :socket.recvmsg(far, 0, 0, [], 0)
      :ok = :socket.send(near, "told")
      assert told(far) == "told"
    end
  end

  defp told(socket) do
    assert_receive {:"$socket", ^socket, :select, _ref}, 5_000

    case :socket.recvmsg(socket, 0, 0, [], :nowait) do
      {:ok, %{iov: [text]}} -> text
      {:select, _info} -> told(socket)
    end
  end

  test "the peer of a connection can be asked for" do
    {near, _far} = connected()
    pid = String.to_integer(System.pid())

    assert {:ok, <<^pid::native-32, _uid::32, _gid::32>>} =
             :socket.getopt_native(near, @peercred, 12)
  end

  test ":socket.open/1 duplicates the descriptor, and closing the socket leaves the original" do
    original = netlink()
    {:ok, duplicate} = :socket.open(fd(original))
    number = fd(duplicate)
    assert number != fd(original)
    :ok = :socket.close(duplicate)
    refute open?(number)
    assert open?(fd(original))
    assert {:ok, _address} = :socket.sockname(original)
  end

  test "closing a duplicate makes the original blocking, unless it goes with its owner" do
    for {close, nonblocking?} <- [{&:socket.close/1, false}, {fn _socket -> :ok end, true}] do
      original = netlink()
      assert nonblocking?(fd(original))
      before = Descriptors.count()

      {:ok, agent} =
        Agent.start(fn ->
          {:ok, duplicate} = :socket.open(fd(original))
          :ok = close.(duplicate)
          duplicate
        end)

      :ok = Agent.stop(agent)
      Descriptors.await(before)
      assert nonblocking?(fd(original)) == nonblocking?
    end
  end

  test "with dup: false closing the socket doesn't close the descriptor either" do
    original = netlink()
    number = fd(original)
    {:ok, same} = :socket.open(number, %{dup: false})
    assert fd(same) == number
    :ok = :socket.close(same)
    assert open?(number)
    assert {:ok, _address} = :socket.sockname(original)
  end

  test "a socket is closed when its owner dies" do
    {:ok, agent} = Agent.start(&netlink/0)
    number = Agent.get(agent, &fd/1)
    assert open?(number)
    :ok = Agent.stop(agent)
    await_closed(number)
  end

  test "who monitors a process after it owns sockets hears of its end after they are closed" do
    original = fd(netlink())

    for _round <- 1..10 do
      owner = spawn(fn -> receive do: (:end -> :ok) end)
      numbers = for _number <- 1..500, do: give_duplicate(original, owner)
      # A monitor that was there before may hear of it while they are being closed.
      monitor = Process.monitor(owner)
      send(owner, :end)
      assert_receive {:DOWN, ^monitor, :process, ^owner, :normal}, 5_000
      # The numbers below may be somebody else's again.
      refute numbers |> Enum.max() |> open?()
    end
  end

  defp give_duplicate(number, owner) do
    {:ok, duplicate} = :socket.open(number)
    :ok = :socket.setopt(duplicate, {:otp, :controlling_process}, owner)
    fd(duplicate)
  end

  test ":prim_file closes a raw descriptor" do
    {near, far} = connected()
    send_descriptors(near, [fd(near)])
    {:ok, %{ctrl: [%{data: <<number::native-32>>}]}} = :socket.recvmsg(far)
    {:ok, ref} = :prim_file.file_desc_to_ref(number, [:raw])
    assert open?(number)
    assert :ok = :prim_file.close(ref)
    refute open?(number)
    assert {:error, :einval} = :prim_file.close(ref)
  end

  test ":prim_file's reference closes the descriptor when its owner dies" do
    {near, far} = connected()
    send_descriptors(near, [fd(near)])
    {:ok, %{ctrl: [%{data: <<number::native-32>>}]}} = :socket.recvmsg(far)
    {:ok, agent} = Agent.start(fn -> :prim_file.file_desc_to_ref(number, [:raw]) end)
    assert open?(number)
    :ok = Agent.stop(agent)
    await_closed(number)
  end

  test "a netlink socket is bound with a raw address, and binding a duplicate binds the socket" do
    original = netlink()
    {:ok, duplicate} = :socket.open(fd(original))
    assert :ok = :socket.bind(duplicate, %{family: 16, addr: <<0::16, 0::32, 1::native-32>>})

    for socket <- [original, duplicate] do
      assert {:ok, %{addr: <<_pad::16, port::native-32, 1::native-32>>}} =
               :socket.sockname(socket)

      assert port != 0
    end

    # What has a number can't be given another one, not even that of the kernel's choice.
    assert {:error, :einval} = :socket.bind(original, %{family: 16, addr: <<0::80>>})
  end

  # README.md, "Why not the `netns` option of `:socket`?". In a BEAM of its own: it is lost for anything else.
  test "a descriptor that comes by a message is nobody's, also from oneself" do
    test = self()

    {pid, monitor} =
      spawn_monitor(fn ->
        {:ok, mirror} = :socket.open(:local, :dgram, :default)
        :ok = :socket.bind(mirror, %{family: :local, path: ""})
        {:ok, name} = :socket.sockname(mirror)
        :ok = :socket.connect(mirror, name)
        send_descriptors(mirror, [fd(netlink())])

        {:ok, %{ctrl: [%{data: <<fd::native-32>>}]}} =
          :socket.recvmsg(mirror, 0, 0, [:cmsg_cloexec], 0)

        send(test, {:fd, fd})
      end)

    assert_receive {:DOWN, ^monitor, :process, ^pid, :normal}, 5_000
    assert_received {:fd, fd}
    assert open?(fd)
    :ok = close(fd)
  end

  test "a socket of any family is bound with its number and the bytes behind it" do
    {:ok, socket} = :socket.open(2, 2, 17)
    assert :ok = :socket.bind(socket, %{family: 2, addr: <<0::16, 127, 0, 0, 1, 0::64>>})
    assert {:ok, %{family: :inet, addr: {127, 0, 0, 1}}} = :socket.sockname(socket)
  end

  # By their documentation, one might think that they do.
  for backend <- [:inet, :socket] do
    test ":gen_tcp and :gen_udp of #{backend} do not close the descriptor that they are given" do
      for {type, open, close} <- [
            {:dgram, &:gen_udp.open/2, &:gen_udp.close/1},
            {:stream, &:gen_tcp.listen/2, &:gen_tcp.close/1}
          ] do
        {:ok, fd} =
          Linx.Netlink.Port.open_descriptor(:host, {:inet, type, :default},
            bind: %{family: :inet, addr: :loopback, port: 0}
          )

        {:ok, socket} = open.(0, inet_backend: unquote(backend), fd: fd)
        monitor = :inet.monitor(socket)
        :ok = close.(socket)
        assert_receive {:DOWN, ^monitor, _type, _socket, _info}, 5_000
        assert open?(fd)
        :ok = close(fd)
      end
    end
  end

  test "the netns option of :socket leaves the scheduler in the other namespace, if socket(2) fails there" do
    namespace = Namespace.create()
    {:ok, there} = Linx.Netlink.Port.open({:path, namespace.path}, :route)
    there = Integer.to_string(Namespace.cookie(there))

    {output, status} =
      System.cmd("elixir", ["--erl", "+S 1:1", @stranded, namespace.path], stderr_to_stdout: true)

    assert status == 0, output
    [own | plain] = output |> String.split("\n", trim: true) |> List.last() |> String.split(" ")
    assert own == Integer.to_string(Namespace.host_cookie())

    assert there in plain,
           "OTP #{System.otp_release()} opens plain sockets in the BEAM's own namespace again, after " <>
             "one with `netns` has failed: README.md is out of date, where it says otherwise"
  end

  test "the netns option of :socket opens in the BEAM's own namespace what is named by no string" do
    {:ok, socket} = :socket.open(16, :raw, 0, %{netns: nil})
    assert Namespace.cookie(socket) == Namespace.host_cookie(), "README.md says that it does"
  end

  # The BEAM tells nobody when it has closed what belonged to the dead.
  defp await_closed(fd, deadline \\ System.monotonic_time(:millisecond) + 5_000) do
    cond do
      not open?(fd) -> :ok
      System.monotonic_time(:millisecond) > deadline -> flunk("descriptor #{fd} is still open")
      true -> :erlang.yield() && await_closed(fd, deadline)
    end
  end
end
